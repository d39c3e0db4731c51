"""Indices of entries, from their numbers in the order in which a contiguous tensor holds them."""

from __future__ import annotations

from collections.abc import Sequence


def unravelled(number: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the index of an entry by its number, as `torch.unravel_index`, which loads sympy."""
    place = []
    for length in reversed(shape):
        number, rest = divmod(number, length)
        place.append(rest)
    return tuple(reversed(place))
