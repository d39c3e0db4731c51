"""Numbers that are none: NaN and infinity in what a user brings, and sums that a dtype cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from convcheck.proof.evidence import samples
from convcheck.proof.evidence.pair import CannotRunError, Pair
from convcheck.proof.evidence.precision import Arithmetic
from convcheck.proof.evidence.samples import Point
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


def check_range(dtype: str, unit: Arithmetic, point: Point, pair: Pair, outputs: Sides[Tensor]) -> None:
    """Check that a dtype can hold what is computed in it, where something came out that is no number.

    `point` is what was put in, after it was rounded to the dtype.

    Raises:
        CannotRunError: a number, or one on the way, is beyond the largest of the dtype; nothing is learnt from the run.
    """
    if outputs.reference.isfinite().all() and outputs.candidate.isfinite().all():
        return
    given = all(bool(tensor.isfinite().all()) for tensor in (*point.inputs, *point.parameters.values()))
    largest = _largest_between(pair, point) if given else torch.inf
    if largest > unit.largest:
        what = f"{largest:.4g} comes up on the way" if given else "larger ones are given"
        raise CannotRunError(f"overflow: {dtype} holds numbers up to {unit.largest:.4g}, and {what}")


def _largest_between(pair: Pair, exactly: Point) -> float:
    """Return the largest finite magnitude that comes up on either side, in float64."""
    magnitudes = exactly if pair.layer.degree() is None else samples.magnitudes(pair.layer, exactly)
    seen = _Largest()  # type: ignore[no-untyped-call]
    with seen:
        pair.run(exactly)
        pair.run(magnitudes)
    return seen.largest


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own modes are not typed
    """Looks at all that torch computes, for the largest finite magnitude."""

    largest = 0.0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for each in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(each, Tensor) and each.is_floating_point() and each.numel():
                finite = each.detach().nan_to_num(0.0, 0.0, 0.0)
                self.largest = max(self.largest, float(finite.abs().max()))
        return made
