"""A torch module as a side of a claim: read by its attributes, with its weights."""
