"""What is taken for granted of lengths that are not known: that they are long enough, divisible, or equal."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BOUND = re.compile(r"(\w+) >= (\d+)", re.ASCII)

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
    """Leave out lower bounds of a name that a higher one implies."""
    least: dict[str, int] = {}
    for bound in filter(None, map(_BOUND.fullmatch, conditions)):
        least[bound[1]] = max(int(bound[2]), least.get(bound[1], 0))
    told = (bound for bound in conditions if not _BOUND.fullmatch(bound))
    return [*told, *(f"{name} >= {number}" for name, number in least.items())]
