"""What is taken for granted of lengths that are not known: that they are long enough, divisible, or equal."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from convcheck.errors import ShapeError

_BOUND = re.compile(r"(\w+) >= (\d+)", re.ASCII)

_EQUAL = re.compile(r"(\w+) = (\d+)", re.ASCII)

_COLLECTED: ContextVar[dict[str, None] | None] = ContextVar("conditions", default=None)


@contextmanager
def collecting() -> Iterator[dict[str, None]]:
    """Collect what is assumed meanwhile: the keys of a dict, in order."""
    found: dict[str, None] = {}
    token = _COLLECTED.set(found)
    try:
        yield found
    finally:
        _COLLECTED.reset(token)


def assume(condition: str) -> None:
    """Take for granted what a text says; an empty one says nothing."""
    found = _COLLECTED.get()
    if found is not None and condition:
        found[condition] = None


def strongest(conditions: Collection[str]) -> list[str]:
    """Leave out lower bounds of a name that a higher one implies.

    Raises:
        ShapeError: a name must be one number, and another at least.
    """
    least: dict[str, int] = {}
    for bound in filter(None, map(_BOUND.fullmatch, conditions)):
        least[bound[1]] = max(int(bound[2]), least.get(bound[1], 0))
    for equal in filter(None, map(_EQUAL.fullmatch, conditions)):
        if int(equal[2]) < least.get(equal[1], 0):
            raise ShapeError(f"no {equal[1]} would do: it must be {equal[2]}, and at least {least[equal[1]]}")
    told = (bound for bound in conditions if not _BOUND.fullmatch(bound))
    return [*told, *(f"{name} >= {number}" for name, number in least.items())]


def at_least(written: str, names: Collection[str], value: Callable[[Mapping[str, int]], int], least: int) -> str:
    """Return the condition that a formula that rises with its names is at least so much; empty if it always is."""
    if value(dict.fromkeys(names, 1)) >= least:
        return ""
    if len(names) > 1:
        return f"{written} >= {least}"
    [name] = names
    low, high = 1, 2
    while value({name: high}) < least:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if value({name: middle}) >= least else (middle, high)
    return f"{name} >= {high}"
