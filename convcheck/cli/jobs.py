"""How many processes verify claims, how many threads are theirs, and how these wait for one another."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convcheck.cli import console

if TYPE_CHECKING:
    from convcheck.catalogue.claims import Claim


def let_waiting_threads_sleep() -> None:
    """Have threads that wait for one another leave their core, where nothing else is set; before torch is imported.

    By default they wait in a loop, which takes the core from the thread that they wait for where programs share cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def processes(jobs: int, claims: Sequence[Claim], *, quiet: bool) -> int:
    """Return how many processes verify the claims where so many are asked for; say so where one does instead."""
    if jobs == 1:
        return 1
    device = next((claim.case.device for claim in claims if claim.case.device != "cpu"), None)
    why = None
    if device is not None:
        why = f"claims on {device} share one device"
    elif sys.platform != "linux":
        why = "processes are forks, which torch takes on Linux alone"
    if why is not None and not quiet:
        console.hint(f"--jobs {jobs}: {why}, so claims are verified one after the other; --shard shares them out")
    return 1 if why else min(jobs, len(claims))


def threads_of_each(jobs: int) -> int:
    """Return how many threads each of so many processes gets, so that no two have to share a core where it can be."""
    import psutil

    allowed = len(os.sched_getaffinity(0))
    cores = min(psutil.cpu_count(logical=False) or allowed, allowed)
    most = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores // jobs, int(most) if most.isdecimal() else cores))


@contextmanager
def one_thread(*, wanted: bool) -> Iterator[None]:
    """Have torch start no threads, where wanted: in forks of a process that has some, parallel code waits forever."""
    if not wanted:
        yield
        return
    from convcheck.config.collection import without_collection

    with without_collection():
        import torch
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
