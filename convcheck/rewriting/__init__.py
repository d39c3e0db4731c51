"""What a rewrite is made of."""
