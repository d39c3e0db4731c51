"""What is assumed of lengths that are formulas: that they are long enough, divisible, or equal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, NamedTuple

from convcheck.errors import ShapeError

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


def strongest(conditions: Collection[Condition]) -> list[Condition]:
    """Leave out lower bounds of a name that a higher one implies.

    Raises:
        ShapeError: a name must be one number, and another at least.
    """
    bounds: dict[Length, Condition] = {}
    others: list[Condition] = []
    for condition in conditions:
        if condition.relation != ">=" or not condition.length.is_name():
            others.append(condition)
        elif condition.length not in bounds or bounds[condition.length].bound < condition.bound:
            bounds[condition.length] = condition
    for length, relation, number in others:
        if relation == "=" and length in bounds and isinstance(number, int) and number < bounds[length].bound:
            raise ShapeError(f"no {length} would do: it must be {number}, and at least {bounds[length].bound}")
    return [*others, *bounds.values()]
