"""One kind of layer a file; only the file of the kind that is named is imported."""
