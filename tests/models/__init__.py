"""Whole models: `convcheck scan`."""
