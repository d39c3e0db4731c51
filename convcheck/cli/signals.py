"""Signals that ask a program to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGTERM", "SIGHUP")


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let what asks the program to end raise SystemExit, so that files that are not finished are removed.

    A shell that is closed and a scheduler whose time is up ask so; what a kill leaves is still under a name of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _end) for name in _ENDING if (number := getattr(signal, name, None))}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    # A program that a signal ends has this code in shells.
    raise SystemExit(128 + number)
