"""Single rewrites."""
