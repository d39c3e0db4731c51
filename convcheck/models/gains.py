"""What rewrites of layers gain here, and what the whole model does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from types import ModuleType

import torch
from torch import nn

from convcheck.models.choice import swappable
from convcheck.models.example import Example, as_it_was, placed
from convcheck.models.records import Choice, Gain, LayerLine, Place, Whole
from convcheck.models.verdicts import Verified
from convcheck.results import Report, Sides, Tool
from convcheck.timing.comparison import Settings
from convcheck.timing.intervals import ratio_interval
from convcheck.timing.rounds import interleaved
from convcheck.timing.run import run


def timed(verified: Verified, tool: Tool, threads: int, begin: Callable[[str], None]) -> tuple[Verified, list[str]]:
    """Return what was verified with the time of both sides, and notes on what could not be timed."""
    if not verified.tried.ok:
        return verified, []
    claims = [claim for claim, _ in verified.claims]
    report = Report(tool, tuple(result for _, result in verified.claims))
    benchmark = run(claims, report, Settings((threads,)), begin=begin)
    if benchmark.interrupted:
        raise KeyboardInterrupt
    gains = {
        one.dtype: Gain(one.reference.median, one.candidate.median, one.ratio.median, one.ratio.low, one.ratio.high)
        for one in benchmark.comparisons
    }
    notes = [f"not timed: {one.case} {one.rewrite} in {one.dtype}: {one.reason}" for one in benchmark.not_timed]
    return replace(verified, tried=replace(verified.tried, bench=gains)), notes


def whole_gain(model: nn.Module, example: Example, code: ModuleType, dtype: str, saved: float, threads: int) -> Whole:
    """Return the time of a call of the model before and after the swap, in turn, in a dtype.

    Raises:
        Exception: whatever the model's code raises in this dtype.
    """
    sides = [copy.deepcopy(model).to(getattr(torch, dtype)) for _ in range(2)]
    code.swap(sides[1])
    inputs = placed(sides[0], example)
    with as_it_was(sides[0]), as_it_was(sides[1]):
        runs = [partial(side, *inputs.positional, **inputs.keywords) for side in sides]
        for run_once in runs:
            run_once()
        seconds = interleaved(Sides(*runs), threads)
    ratio = ratio_interval(seconds.reference, seconds.candidate)
    before = median(seconds.reference)
    return Whole(before, median(seconds.candidate), *ratio, foretold=before - saved)


def foretold(lines: Sequence[LayerLine], chosen: Sequence[Choice], dtype: str) -> float:
    """Return the seconds that the chosen rewrites save in one call of the model, calls counted."""
    by_place: Mapping[Place, LayerLine] = {place: line for line in swappable(lines) for place in line.places}
    total = 0.0
    for choice in chosen:
        line = by_place[choice.places[0]]
        gain = next(one for one in line.rewrites if one.rewrite == choice.rewrite).bench[dtype]
        total += line.calls * len(choice.paths) * gain.saved
    return total
