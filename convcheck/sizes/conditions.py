"""What is assumed of lengths that are formulas: that they are long enough, divisible, or equal."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from convcheck.sizes.lengths import Length


class Condition(NamedTuple):
    """What must hold of a formula for an answer to be right."""

    length: Length
    relation: Literal["=", ">=", "is a multiple of"]
    bound: int | Length

    def __str__(self) -> str:
        return f"{self.length} {self.relation} {self.bound}"


Conditions = dict[Condition, None]
"""A set in the order in which they were assumed."""

_COLLECTED: ContextVar[Conditions | None] = ContextVar("conditions", default=None)


@contextmanager
def collecting() -> Iterator[Conditions]:
    """Collect what is assumed meanwhile."""
    conditions: Conditions = {}
    token = _COLLECTED.set(conditions)
    try:
        yield conditions
    finally:
        _COLLECTED.reset(token)


def assume(condition: Condition) -> None:
    """Add a condition to those that are being collected, if any are."""
    conditions = _COLLECTED.get()
    if conditions is not None:
        conditions[condition] = None


def assume_at_least(length: Length, least: int) -> None:
    """Assume that a formula is at least so much, given that it rises; of one name, in terms of that name."""
    from convcheck.sizes.lengths import name

    names = length.names()
    if length.evaluate(dict.fromkeys(names, 1)) >= least:
        return
    if len(names) > 1:
        assume(Condition(length, ">=", least))
        return
    [text] = names
    high = 2
    while length.evaluate({text: high}) < least:
        high *= 2
    smallest = bisect_left(range(high), least, lo=high // 2, key=lambda number: length.evaluate({text: number}))
    assume(Condition(name(text), ">=", smallest))
