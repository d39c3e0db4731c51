"""The remainders of numbers at equal distances, of which none is looked at one by one.

How many of them are small is a difference of two sums of floors, and such a sum takes as many steps as Euclid's
algorithm: `sum(floor((a*x + b) / m) for x in range(n))` (R. L. Graham, D. E. Knuth and O. Patashnik, Concrete
Mathematics, 2nd edition, 1994, section 3.5). Halving finds the least remainder, and the first that is small.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Residues:
    """`(a*x + b) mod m` for x = 0, 1, 2 and so on; m is at least 1."""

    a: int
    b: int
    m: int

    def at(self, x: int) -> int:
        """Return the number of which the remainder is taken."""
        return self.a * x + self.b

    def up_to(self, most: int, count: int) -> int:
        """Return how many of the first remainders, `count` of them, are at most so large."""
        if most >= self.m:
            return count
        return floors(self.a, self.b, self.m, count) - floors(self.a, self.b - most - 1, self.m, count)


def least(residues: Residues, count: int) -> int:
    """Return the least of the first remainders, `count` of them; at least one."""
    low, high = 0, residues.b % residues.m
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if residues.up_to(middle, count) else (middle + 1, high)
    return low


def first_up_to(residues: Residues, most: int, count: int) -> int | None:
    """Return the first x below `count` whose remainder is at most so large; None if there is none."""
    if most < 0 or count < 1 or not residues.up_to(most, count):
        return None
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if residues.up_to(most, middle + 1) else (middle + 1, high)
    return low


def floors(a: int, b: int, m: int, count: int) -> int:
    """Return `sum(floor((a*x + b) / m) for x in range(count))`; a and b may be negative."""
    total = 0
    while True:
        whole, a = divmod(a, m)
        total += whole * (count * (count - 1) // 2)
        whole, b = divmod(b, m)
        total += whole * count
        top = a * count + b
        if top < m:
            return total
        # The sum counts the points of a grid below a line; from here on it counts them by columns in place of rows.
        count, b = divmod(top, m)
        a, m = m, a
