"""How many threads a proof computes with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from convcheck.results import Result

MOST_WORK_OF_ONE = 1 << 24
"""From so many multiplications on a second thread saves more than it costs: they take one about a millisecond."""
WORK_OF_ENTRY = 16
"""In the time of how many multiplications an entry is read and written, where nothing is multiplied."""


@contextmanager
def threads_for(result: Result) -> Iterator[None]:
    """Compute with one thread where a claim is small, and with as many as before in the end.

    Threads that wait for one another, where other programs want their cores, make a small proof several times as long.
    """
    if work_of(result) < MOST_WORK_OF_ONE:
        with one_thread():
            yield
    else:
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, and with as many as before in the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def work_of(result: Result) -> int:
    """Return about how many multiplications one run of the longer side takes."""
    entries = sum(map(math.prod, result.input))
    return max(result.macs.reference or 0, result.macs.candidate or 0, WORK_OF_ENTRY * entries)
