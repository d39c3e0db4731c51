"""Python's search for garbage, which rests while modules are imported."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search() -> Iterator[None]:
    """Search for no garbage, and never among what is there in the end.

    What is imported is none, and searching it for some would take a tenth of what a short command takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
