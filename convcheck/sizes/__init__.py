"""Lengths as numbers and symbols: windows, floors, patterns. Imports no torch."""
