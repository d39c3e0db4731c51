"""Constants in code as numbers that are no longer rounded, and what they are modulo a prime.

Float64 rounds 1/3 and 1/sqrt(8), and two ways to write one of them may differ in the last digit. A constant is taken as
a small fraction, or as a square root or fourth root of one, where it is that but for its last digits; any other is what
it is, a whole number times a power of two.

Modulo a prime p = 3 (mod 4) a square r has one root that is itself a square, r^((p+1)/4), and these roots multiply as
real ones do. So what is equal as a polynomial in roots is equal modulo p, if all that roots are taken of are squares.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

LAST_DIGITS = 2.0**-50
"""How far a constant is rounded, relative to it, at most: by a few operations in float64."""

LARGEST_DENOMINATOR = 4096
MOST_BITS = 32
"""With no more digits behind the point a number is what it is."""

MOST_DISTINCT = 64
"""Tables of more distinct numbers are read as they are stored."""

SMALL = 512
"""Whole numbers up to here are their own residues."""


@dataclass(frozen=True)
class Number:
    """The number `sign * fraction^(1/root)`, root being 1, 2 or 4."""

    fraction: Fraction
    root: int = 1
    sign: int = 1

    def residue(self, p: int) -> int:
        """Return what it is modulo p, in [0, p). Raises ZeroDivisionError if p divides the denominator."""
        value = self.fraction.numerator * _inverse(self.fraction.denominator, p) % p
        for _ in range(self.root // 2):
            value = pow(value, (p + 1) // 4, p)
        return self.sign * value % p

    def radicands(self) -> Iterator[int]:
        """Yield the primes of which a root is taken."""
        if self.root > 1:
            yield from _factors(self.fraction.numerator)
            yield from _factors(self.fraction.denominator)


def _inverse(number: int, p: int) -> int:
    if number % p == 0:
        raise ZeroDivisionError
    return pow(number, -1, p)


def _factors(number: int) -> Iterator[int]:
    factor = 2
    while factor * factor <= number:
        while number % factor == 0:
            yield factor
            number //= factor
        factor += 1
    if number > 1:
        yield number


@lru_cache(maxsize=4096)
def number_of(value: float) -> Number:
    """Return the number that a finite constant stands for."""
    exact = Fraction(value)
    if exact.denominator <= 2**MOST_BITS:
        return Number(exact)
    for root in (1, 2, 4):
        power = Fraction(abs(value)) ** root
        near = power.limit_denominator(LARGEST_DENOMINATOR)
        if near and abs(near - power) <= root * LAST_DIGITS * power and near.numerator <= LARGEST_DENOMINATOR**2:
            return Number(near, root, int(math.copysign(1, value)))
    return Number(exact)


def numbers_in(value: Tensor) -> Iterator[Number]:
    """Yield the numbers in a table that are not read as they are stored."""
    distinct = torch.unique(value[value.isfinite()])
    if len(distinct) <= MOST_DISTINCT:
        yield from map(number_of, distinct.tolist())


def residues(value: Tensor, p: int) -> Tensor:
    """Return a table of float64 modulo p, centred around 0; what is infinite stays so.

    Raises:
        ZeroDivisionError: p divides a denominator.
    """
    finite = value.isfinite()
    distinct, places = torch.unique(torch.where(finite, value, 0.0), return_inverse=True)
    if len(distinct) <= MOST_DISTINCT:
        table = torch.tensor([number_of(one).residue(p) for one in distinct.tolist()], dtype=torch.float64)
    else:
        mantissa, exponent = torch.frexp(distinct)
        whole = (mantissa * 2.0**53).to(torch.int64).remainder(p)
        powers = {int(one): pow(2, int(one) - 53, p) for one in torch.unique(exponent)}
        factors = torch.tensor([powers[one] for one in exponent.tolist()], dtype=torch.int64)
        table = (whole * factors).remainder(p).double()
    table = torch.where(table > (p - 1) // 2, table - p, table)
    return torch.where(finite, table[places], value)


def least(bound: int) -> int:
    """Return below what no prime of `primes` is."""
    # Of small ones there are few.
    return bound // 2 if bound >= 2**15 else bound // 4


def primes(bound: int, squares: frozenset[int], count: int, seed: int) -> tuple[int, ...]:
    """Return distinct primes p = 7 (mod 8) below `bound`, modulo which all of `squares` are squares, of those near it.

    Raises:
        ValueError: there are not as many.
    """
    found: list[int] = []
    start = bound - 1 - random.Random(seed).randrange(bound // 4)
    for p in range(start - (start - 7) % 8, least(bound), -8):
        if all(pow(one, (p - 1) // 2, p) == 1 for one in squares) and _is_prime(p):
            found.append(p)
            if len(found) == count:
                return tuple(found)
    raise ValueError("there are too few primes")


def _is_prime(p: int) -> bool:
    return all(p % factor for factor in range(3, math.isqrt(p) + 1, 2))
