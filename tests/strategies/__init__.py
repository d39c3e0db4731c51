"""What the tests draw."""
