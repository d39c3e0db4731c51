"""Lengths and patterns."""
