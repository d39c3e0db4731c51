"""What a picture of a result shows, cut out of what both sides compute: a few numbers, never whole tensors."""
