"""Tests of proofs for all sizes."""
