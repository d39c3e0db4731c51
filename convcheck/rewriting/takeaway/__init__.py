"""Code to take away: a class for one layer, and functions from the old state dict to its own and back."""
