"""Mappings that are found."""
