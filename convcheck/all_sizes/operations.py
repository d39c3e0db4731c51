"""How many operations isl may take for one step of a proof, which bounds its time and its memory on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import islpy as isl

from convcheck.all_sizes.sizes import CannotProve

MOST_OPERATIONS = 10_000_000
"""A few seconds, and half a gigabyte. Whole proofs take fewer."""


class TooLarge(CannotProve):
    """isl takes more operations than it may."""

    def __init__(self) -> None:
        super().__init__("the relations are too large")


@contextmanager
def limited() -> Iterator[None]:
    """Have isl take no more operations than it may between two calls of `begin_step`."""
    context = isl.DEFAULT_CONTEXT
    before = context.get_max_operations()
    context.set_max_operations(MOST_OPERATIONS)
    try:
        yield
    finally:
        context.set_max_operations(before)
        context.reset_operations()


def begin_step() -> None:
    """Count operations from here."""
    isl.DEFAULT_CONTEXT.reset_operations()


@contextmanager
def bounded() -> Iterator[None]:
    """Turn what comes of too many operations into TooLarge; from then on they are counted anew.

    Where isl would return a number or a text, islpy gives None for it, and what takes that raises a TypeError.
    """
    try:
        yield
    except isl.Error:
        begin_step()
        raise TooLarge from None
    except TypeError:
        if not _is_over():
            raise
        begin_step()
        raise TooLarge from None


def _is_over() -> bool:
    """Tell whether isl refuses everything."""
    try:
        isl.Set("{ : }")
    except isl.Error:
        return True
    return False
