"""Code of the user's own."""
