"""Shape and parameter questions, forwards and backwards. Imports no torch."""
