"""Exact evidence in parts."""
