"""Whole models: their layers as they are called, what of them can be rewritten, and the swap of it."""
