"""Layers as numbers and text."""
