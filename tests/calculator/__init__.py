"""The calculator's answers."""
