"""Code to copy: a function that builds something, with its arguments written out."""
