"""Sizes as polynomials in the symbols of lengths."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy

Size = Any
"""A polynomial in symbols with whole coefficients."""


@lru_cache(maxsize=1 << 16)
def is_linear(size: Size) -> bool:
    """Tell whether a size is a sum of numbers times single symbols."""
    return is_whole(size) and (size.is_Number or sympy.Poly(size, *size.free_symbols).total_degree() <= 1)


@lru_cache(maxsize=1 << 16)
def is_whole(size: Size) -> bool:
    """Tell whether an expression is a polynomial with whole coefficients."""
    if size.is_Number:
        return bool(size.is_Integer)
    if not size.is_polynomial(*size.free_symbols):
        return False
    return all(one.is_Integer for one in sympy.Poly(size, *size.free_symbols).coeffs())
