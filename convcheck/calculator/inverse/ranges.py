"""Sets of whole numbers as ranges, and the products that make one of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from convcheck.errors import ConvcheckError
from convcheck.sizes.limits import MAX_ANSWERS, MAX_INT64

Ranges = tuple[tuple[int, int], ...]
"""Ranges `(first, last)`, both included, in order; between two of them at least one number is missing."""

ANY = None
"""In place of ranges: whatever length."""

Lengths = Ranges | None


class TooManyError(ConvcheckError):
    """An answer with more separate ranges or shapes than can be listed."""

    def __init__(
        self, what: str = f"more than {MAX_ANSWERS} separate lengths or shapes would have to be listed"
    ) -> None:
        super().__init__(f"{what}; ask about fewer layers, or a smaller output")


def only(value: int) -> Ranges:
    """Return the set of one number."""
    return ((value, value),)


def joined(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Return the union of ranges; those whose last is below their first are empty."""
    union: list[tuple[int, int]] = []
    for first, last in sorted(pair for pair in pairs if pair[0] <= pair[1]):
        if union and first <= union[-1][1] + 1:
            union[-1] = (union[-1][0], max(last, union[-1][1]))
        else:
            union.append((first, last))
    return tuple(union)


def holds(lengths: Lengths, value: int) -> bool:
    """Tell whether a number is in the set."""
    return lengths is None or any(first <= value <= last for first, last in lengths)


def without(lengths: Lengths, value: int) -> Lengths:
    """Return the set but for one number; whatever length stays whatever length."""
    if lengths is None:
        return None
    return joined(
        pair for first, last in lengths for pair in ((first, min(last, value - 1)), (max(first, value + 1), last))
    )


def values(ranges: Ranges) -> Iterator[int]:
    """Yield the numbers one by one. Raises TooManyError if there are more than `MAX_ANSWERS`."""
    if sum(last - first + 1 for first, last in ranges) > MAX_ANSWERS:
        raise TooManyError
    for first, last in ranges:
        yield from range(first, last + 1)


def common(one: Ranges, other: Ranges) -> Ranges:
    """Return the numbers that are in both sets."""
    return joined((max(a, c), min(b, d)) for a, b in one for c, d in other)


def scaled(lengths: Lengths, by: int) -> Lengths:
    """Return `by` times each number that is not too large for it. Raises TooManyError as `values` does."""
    if lengths is None or by == 1:
        return lengths
    within = joined((first, min(last, MAX_INT64 // by)) for first, last in lengths)
    return joined((by * value, by * value) for value in values(within))


def divided(lengths: Lengths, by: int) -> Lengths:
    """Return every number that, times `by`, is in the set."""
    return lengths and joined((-(-first // by), last // by) for first, last in lengths)


def factors(product: int, among: Sequence[int | None]) -> Iterator[tuple[int, ...]]:
    """Yield every row of whole numbers with this product; each is as `among` says, or any of at least 1 if None."""
    known = math.prod(number for number in among if number is not None)
    if product % known:
        return
    missing = sum(number is None for number in among)
    for row in _rows(product // known, missing):
        rest = iter(row)
        yield tuple(next(rest) if number is None else number for number in among)


def _rows(product: int, many: int) -> Iterator[tuple[int, ...]]:
    if many == 0:
        yield from ((),) if product == 1 else ()
    elif many == 1:
        yield (product,)
    else:
        for first in divisors(product):
            yield from ((first, *rest) for rest in _rows(product // first, many - 1))


def divisors(number: int) -> list[int]:
    """Return what divides a number of at least 1, in order. Raises TooManyError where trial division takes long."""
    products, rest, trial = [1], number, 2
    while trial * trial <= rest:
        if trial > MAX_ANSWERS * 16:
            raise TooManyError(f"{number} would have to be taken apart into factors")
        power, primes = 1, []
        while rest % trial == 0:
            rest //= trial
            power *= trial
            primes.append(power)
        products += [divisor * prime for prime in primes for divisor in products]
        trial += 1
    return sorted(products + [divisor * rest for divisor in products] if rest > 1 else products)
