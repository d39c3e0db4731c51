"""The parts of a rewrite: its record, preconditions, steps of weights, and its source to copy."""
