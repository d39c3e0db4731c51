"""Every format."""
