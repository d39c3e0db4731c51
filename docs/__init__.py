"""Pages, and the programs that make what is not written by hand."""
