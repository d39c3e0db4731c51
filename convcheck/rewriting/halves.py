"""How often a candidate halves what it makes, until a part of it is small enough for memory.

That is decided when the candidate is built, from the shapes it is built for: it is one algorithm for every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def halvings(sizes: Sequence[int], needed: Callable[[Sequence[int]], int], at_once: int) -> tuple[int, Sequence[int]]:
    """Return how often the longest axis is halved until a part needs at most `at_once`, and the largest part's sizes.

    `needed` tells what a part of some sizes needs. No axis becomes shorter than 1, whatever it needs then.
    """
    times, sizes = 0, list(sizes)
    while needed(sizes) > at_once and max(sizes) > 1:
        longest = sizes.index(max(sizes))
        times, sizes[longest] = times + 1, -(-sizes[longest] // 2)
    return times, sizes


def halvings_of_products(outputs: Sequence[int], terms: int, bytes_at_once: int) -> tuple[int, int]:
    """Return how often outputs that are sums of `terms` products are halved, and how many products a part then has.

    A product takes 8 bytes, as in float64.
    """
    times, part = halvings(outputs, lambda sizes: math.prod(sizes) * terms, bytes_at_once // 8)
    return times, math.prod(part) * terms
