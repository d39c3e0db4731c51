"""What a proof may take: so many seconds, and in one step so many operations of isl, which bounds its memory."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import islpy as isl

from convcheck.all_sizes.sizes import CannotProve

MOST_OPERATIONS = 10_000_000
"""A few seconds, and half a gigabyte. Whole blocks, such as ConvNeXt's, take half of it in one step."""


_END = ContextVar("end", default=math.inf)
"""When the time of the proof that runs is over, by the monotonic clock."""


class TimeIsUp(BaseException):
    """The time of a proof is over. No code that is traced takes it for an exception of its own."""


class TooLarge(CannotProve):
    """isl takes more operations than it may, or a tensor is too large to run with."""

    def __init__(self, why: str = "the relations are too large") -> None:
        super().__init__(why)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Have `check_time` raise after so many seconds, and isl take no more operations than it may in one step."""
    token = _END.set(time.monotonic() + seconds)
    context = isl.DEFAULT_CONTEXT
    before = context.get_max_operations()
    context.set_max_operations(MOST_OPERATIONS)
    try:
        yield
    finally:
        _END.reset(token)
        context.set_max_operations(before)
        context.reset_operations()


def begin_step() -> None:
    """Count operations from here."""
    isl.DEFAULT_CONTEXT.reset_operations()


def is_over() -> bool:
    """Tell whether the time of the proof is over."""
    return time.monotonic() > _END.get()


def check_time() -> None:
    """Begin a step, if there is time for one. Raises TimeIsUp if there is none."""
    begin_step()
    if is_over():
        raise TimeIsUp


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
        if not refuses():
            raise
        begin_step()
        raise TooLarge from None


def refuses() -> bool:
    """Tell whether isl refuses everything."""
    try:
        isl.Set("{ : }")
    except isl.Error:
        return True
    return False
