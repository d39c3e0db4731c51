"""Sparse polynomials with rational coefficients, and arrays of them; plain floats go the same ways."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Polynomials (dtype object), or floats."""
Monomial = tuple[int, ...]
"""Numbers of variables, ascending, a variable as often as its power."""
Number = int | Fraction

LIMIT = 20_000
"""Monomials that an array may hold in all."""
WORK = 5 * LIMIT
"""Products of two monomials that one operation may take."""


class TooLargeError(Exception):
    """A program grows beyond what is expanded."""


class Polynomial:
    """A sum of monomials, none of which has the coefficient 0."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Monomial, Number]) -> None:
        self.terms = terms

    def __add__(self, other: Polynomial) -> Polynomial:
        return accumulated((self, other))

    def __mul__(self, other: Polynomial | Number) -> Polynomial:
        if not isinstance(other, Polynomial):
            return Polynomial({name: value * other for name, value in self.terms.items()} if other else {})
        terms: dict[Monomial, Number] = {}
        for left, one in self.terms.items():
            for right, two in other.terms.items():
                name = tuple(sorted(left + right))
                terms[name] = terms.get(name, 0) + one * two
        return Polynomial({name: value for name, value in terms.items() if value})

    def __neg__(self) -> Polynomial:
        return self * -1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def value(self, point: Mapping[int, Number] | Sequence[Number]) -> Number:
        """Return the value where variables have the values of `point`."""
        return sum((value * math.prod(point[name] for name in names) for names, value in self.terms.items()), start=0)


def accumulated(summands: Iterable[Polynomial]) -> Polynomial:
    """Return a sum."""
    terms: dict[Monomial, Number] = {}
    for summand in summands:
        for name, value in summand.terms.items():
            terms[name] = terms.get(name, 0) + value
    return Polynomial({name: value for name, value in terms.items() if value})


def variable(number: int) -> Polynomial:
    """Return a variable as a polynomial."""
    return Polynomial({(number,): 1})


def constant(value: Number) -> Polynomial:
    """Return a number as a polynomial."""
    return Polynomial({(): value} if value else {})


def is_exact(values: Array) -> bool:
    """Tell polynomials from floats."""
    return values.dtype == object


def variables(shape: Sequence[int], first: int) -> Array:
    """Return an array of as many variables, numbered from `first` on."""
    values = np.empty(math.prod(shape), dtype=object)
    values[:] = [variable(first + number) for number in range(values.size)]
    return values.reshape(shape)


def filled(shape: Sequence[int], value: Number, like: Array) -> Array:
    """Return an array of one number."""
    return np.full(shape, constant(value) if is_exact(like) else float(value), dtype=like.dtype)


def scaled(values: Array, factor: Number) -> Array:
    """Multiply by a number."""
    if not is_exact(values):
        return np.asarray(values * float(factor))
    # Whole numbers take a tenth of the time of fractions.
    return values * (int(factor) if factor == int(factor) else factor)


def product(left: Array, right: Array) -> Array:
    """Multiply entry by entry, and broadcast.

    Raises:
        TooLargeError: there is too much to multiply out.
    """
    if is_exact(left):
        sizes = (np.vectorize(lambda entry: len(entry.terms), otypes=[float])(side) for side in (left, right))
        if math.prod(sizes).sum() > WORK:
            raise TooLargeError
    return checked(left * right)


def total(values: Array, axes: Sequence[int]) -> Array:
    """Sum over axes, which are left out of the result."""
    if not is_exact(values):
        return np.asarray(values.sum(axis=tuple(axes)))
    rest = [axis for axis in range(values.ndim) if axis not in axes]
    rows = values.transpose(*rest, *axes).reshape(math.prod(values.shape[axis] for axis in rest), -1)
    sums = np.empty(len(rows), dtype=object)
    sums[:] = [accumulated(row) for row in rows]
    return checked(sums.reshape([values.shape[axis] for axis in rest]))


def checked(values: Array) -> Array:
    """Return an array that is not too large; raise TooLargeError if it is."""
    if is_exact(values) and sum(len(entry.terms) for entry in values.flat) > WORK:
        raise TooLargeError
    return values
