"""Proofs for all sizes: both sides as index relations, and what follows from them."""
