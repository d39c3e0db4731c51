"""What rewrites are made of."""
