"""Every fault that can be planted in a claim."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from benchmarks import module_faults, setting_faults, weight_faults
from benchmarks.planting import Fault
from convcheck.catalogue.claims import Claim


def faults(claim: Claim, random: Random) -> Iterator[Fault]:
    """Yield all faults for a claim; `random` chooses entries where there are too many to take each."""
    yield from weight_faults.faults(claim, random)
    yield from module_faults.faults(claim, random)
    yield from setting_faults.faults(claim, random)
