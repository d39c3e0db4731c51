"""Python's search for cycles of objects, which costs more than all the rest where many cases are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the search: it would go through all that was made so far again and again, and free nothing.

    Cases hold no cycles; what is freed otherwise is freed as ever.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
