"""The rewrites there are, which of them apply, and the claims that a case makes. Imports no torch."""
