"""How far a computation in floating point can be from the truth, entry by entry."""
