"""Correct cases at random, none of which may be called different; and what torch's tolerances would have said.

    python benchmarks/false_alarms.py
    python benchmarks/false_alarms.py --cases 500 --rewrite fft --rewrite winograd --dtype float16 --seed 3

Inputs and every parameter are scaled by powers of ten of their own, from 1e-6 to 1e6; a third of the cases adds up
1 to 100,000 products, as many of one decade as of another. The same seed draws the same cases. Exits with 1 if there is
a false alarm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.correct_cases import THREADS, Trial, trials
from convcheck.catalogue import catalogue
from convcheck.config.case import DTYPES
from convcheck.evidence.pair import build_pair
from convcheck.evidence.points import Point
from convcheck.results import Result, Sides, Verdict
from convcheck.verification import verify


@dataclass(frozen=True)
class Outcome:
    """What became of one trial. `tolerated` says what torch's own comparisons would have said, if both sides ran."""

    trial: Trial
    result: Result
    largest: float = 0.0
    tolerated: dict[str, bool] = field(default_factory=dict)

    @property
    def false_alarm(self) -> bool:
        return self.result.verdict is Verdict.DIFFERENT

    @property
    def overflow(self) -> bool:
        return self.result.verdict is Verdict.ERROR and "overflow: " in (self.result.reason or "")


def allclose(outputs: Sides[Tensor]) -> bool:
    return torch.allclose(outputs.reference, outputs.candidate)


def assert_close(outputs: Sides[Tensor]) -> bool:
    try:
        torch.testing.assert_close(outputs.candidate, outputs.reference)
    except AssertionError:
        return False
    return True


COMPARISONS = {"allclose": allclose, "assert_close": assert_close}


def run(trial: Trial) -> Outcome:
    """Verify one trial, and put both sides' outputs on the very same numbers to torch's comparisons."""
    drawn: list[Point] = []

    def at(point: Point) -> Point:
        drawn.append(trial.scaled(point))
        return drawn[-1]

    result = verify(trial.claim(), at)
    if result.verdict not in (Verdict.EQUAL, Verdict.DIFFERENT) or not drawn:
        return Outcome(trial, result)
    dtype = getattr(torch, trial.case.dtype)
    # The first run is the one in the asked dtype.
    rounded = drawn[0].mapped(lambda each: each.to(dtype) if each.is_floating_point() else each)
    with torch.no_grad():
        outputs = Sides(*build_pair(trial.claim()).run(rounded))
    largest = float(outputs.reference.double().abs().max())
    return Outcome(trial, result, largest, {name: compare(outputs) for name, compare in COMPARISONS.items()})


def run_all(drawn: Iterable[Trial]) -> Iterator[Outcome]:
    """Run trials, those with the same number of threads one after the other."""
    before = torch.get_num_threads()
    todo = list(drawn)
    try:
        for threads in THREADS:
            torch.set_num_threads(threads)
            yield from (run(trial) for trial in todo if trial.threads == threads)
    finally:
        torch.set_num_threads(before)
