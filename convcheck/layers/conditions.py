"""What is taken for granted of lengths that are not known: that they are long enough, divisible, or equal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
