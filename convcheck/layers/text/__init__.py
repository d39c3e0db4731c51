"""Layers and shapes as text: read, and printed as torch prints them."""
