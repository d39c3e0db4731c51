"""Numbers that are none: NaN and infinity in what a user brings, and sums that a dtype cannot hold."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from convcheck.evidence.pair import CannotRunError
from convcheck.evidence.points import Point
from convcheck.evidence.precision import Arithmetic
from convcheck.results import Sides


def faults(point: Point) -> Iterator[str]:
    """Yield, for every tensor that holds NaN or infinity, where the first of them stands."""
    inputs = {f"input {number}" if number else "input": each for number, each in enumerate(point.inputs)}
    for name, tensor in {**inputs, **point.parameters}.items():
        broken = ~tensor.isfinite()
        if broken.any():
            at = tuple(broken.nonzero()[0].tolist())
            count = int(broken.sum())
            others = f", the first of {count} such of {tensor.numel()} numbers" if count > 1 else ""
            yield f"{name}{list(at)} is {float(tensor[at])}{others}: NaN and infinity equal nothing"


def check_range(dtype: str, unit: Arithmetic, point: Point, magnitude: Tensor, outputs: Sides[Tensor]) -> None:
    """Check that a dtype can hold what is computed in it, where something came out that is no number.

    `point` is what was put in, after it was rounded to the dtype; `magnitude` bounds every partial sum.

    Raises:
        CannotRunError: a number or a partial sum is beyond the largest of the dtype, so nothing is learnt from the run.
    """
    if outputs.reference.isfinite().all() and outputs.candidate.isfinite().all():
        return
    given = all(bool(tensor.isfinite().all()) for tensor in (*point.inputs, *point.parameters.values()))
    largest = float(magnitude.max()) if given else torch.inf
    if largest > unit.largest:
        what = f"sums of up to {largest:.4g} are taken here" if given else "larger ones are given"
        raise CannotRunError(f"overflow: {dtype} holds numbers up to {unit.largest:.4g}, and {what}")
