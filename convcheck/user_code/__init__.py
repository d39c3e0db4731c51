"""The user's own Python: imported only where it was trusted, run apart from our output and settings."""
