"""Every kind of evidence."""
