"""Compares the outputs exactly on integer probes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convcheck.sizes.places import unravelled


def compare(reference: Tensor, candidate: Tensor, where: str = "") -> tuple[str, ...]:
    """Return sentences on where both outputs differ; none if they are identical but for the sign of zero.

    `where` says of which part of the batch the outputs are, if they are of one.
    """
    if reference.shape != candidate.shape:
        return (unlike_shapes(reference.shape, candidate.shape),)
    if torch.equal(reference, candidate):
        return ()
    gap = (reference - candidate).abs()
    # NaN is the largest to argmax: nothing is farther from a number.
    worst = unravelled(int(gap.argmax()), gap.shape)
    count, values = int((gap != 0).sum()), (_written(reference[worst]), _written(candidate[worst]))
    return (
        f"on integers, where nothing is rounded, {count} of {gap.numel()} output values{where} differ",
        f"the most at {list(worst)}: {values[0]} against {values[1]}",
    )


def unlike_shapes(reference: Sequence[int] | None, candidate: Sequence[int] | None) -> str:
    """Return a sentence on outputs of two shapes."""
    return f"the reference's output is {list(reference or ())}, and the candidate's {list(candidate or ())}"


def _written(value: Tensor) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)
