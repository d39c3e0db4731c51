"""Exact equality of the outputs on integer probes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convcheck.proof.evidence.probes import Probe


def compare(probe: Probe) -> str | None:
    """Compare both outputs bit for bit, but for the sign of zero.

    Return None if they are identical, else a sentence on where they differ.
    """
    reference, candidate = probe.outputs()
    if reference.shape != candidate.shape:
        return f"the reference's output is {list(reference.shape)}, and the candidate's {list(candidate.shape)}"
    if torch.equal(reference, candidate):
        return None
    gap = (reference - candidate).abs()
    # NaN is the largest to argmax: nothing is farther from a number.
    worst = torch.unravel_index(gap.argmax(), gap.shape)
    count = int((gap != 0).sum())
    return (
        f"on integers, where nothing is rounded, {count} of {gap.numel()} output values differ; the most at "
        f"{[int(place) for place in worst]}: {_written(reference[worst])} against {_written(candidate[worst])}"
    )


def _written(value: Tensor) -> str:
    number = float(value)
    return str(int(number)) if math.isfinite(number) else str(number)
