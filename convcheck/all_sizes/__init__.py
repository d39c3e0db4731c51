"""Proofs that both sides of a claim are equal for all sizes at which they run."""
