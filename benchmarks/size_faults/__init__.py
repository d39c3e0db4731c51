"""Modules as people write them, with rewrites that are correct at many sizes and wrong at some, and mended twins."""
