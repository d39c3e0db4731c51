"""Finds NaN and infinity in the weights that a user brings, and numbers that a dtype cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from convcheck.errors import CannotRunError
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rounding.precision import Arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side


def faults(sample: Sample) -> Iterator[str]:
    """Yield a sentence for every parameter that holds NaN or infinity, with the place of the first."""
    for name, tensor in sample.parameters.items():
        yield from _at_first(name, tensor, ~tensor.isfinite(), "NaN and infinity equal nothing")


def variance_faults(side: Side, sample: Sample) -> Iterator[str]:
    """Yield a sentence for every variance that has no root with its eps, or is mostly cancelled by it."""
    for name, statistic in side.statistics.items():
        if statistic.eps is not None:
            variance = sample.parameters[name].double()
            impossible = variance + statistic.eps <= (-variance).clamp(min=0)
            yield from _at_first(name, variance, impossible, f"with eps={statistic.eps:g} that is no variance")


def _at_first(name: str, tensor: Tensor, broken: Tensor, why: str) -> Iterator[str]:
    """Yield a sentence on the first of the places where `broken`, of the tensor's shape, is True; none if it is not."""
    if broken.any():
        first = tuple(broken.nonzero()[0].tolist())
        count = int(broken.sum())
        others = f", the first of {count} such of {tensor.numel()} numbers" if count > 1 else ""
        yield f"{name}{list(first)} is {float(tensor[first]):g}{others}: {why}"


def check_range(dtype: str, unit: Arithmetic, sample: Sample, pair: Pair, outputs: Sides[Tensor]) -> None:
    """Check, if an output holds NaN or infinity, that the dtype can hold all numbers of the computation.

    `sample` holds the numbers of the run, rounded to the dtype, as float64.

    Raises:
        CannotRunError: an input, a parameter or an intermediate number is beyond the largest of the dtype, or a
            variance too small for it, so the run says nothing about the rewrite.
    """
    if outputs.reference.isfinite().all() and outputs.candidate.isfinite().all():
        return
    if impossible := "; ".join(variance_faults(pair.reference, sample)):
        raise CannotRunError(f"underflow: rounded to {dtype}, {impossible}")
    check_between(dtype, unit, sample, pair)


def check_between(dtype: str, unit: Arithmetic, sample: Sample, pair: Pair) -> None:
    """Do the part of `check_range` that is about the dtype's largest number."""
    given = all(bool(tensor.isfinite().all()) for tensor in _numbers(pair.reference, sample))
    largest = _largest_between(pair, sample) if given else torch.inf
    if largest > unit.largest:
        what = f"{largest:.4g} comes up on the way" if given else "larger ones are given"
        raise CannotRunError(f"overflow: {dtype} holds numbers up to {unit.largest:.4g}, and {what}")


def _numbers(side: Side, sample: Sample) -> Iterator[Tensor]:
    """Yield the tensors of a sample, with 0 for every -inf of a mask, which hides a key."""
    for number, tensor in enumerate(sample.inputs):
        yield tensor.masked_fill(tensor == -torch.inf, 0) if number in side.mask_inputs else tensor
    yield from sample.parameters.values()


def _largest_between(pair: Pair, sample: Sample) -> float:
    """Return the largest finite magnitude of any intermediate number of either side, in float64."""
    reference = pair.reference
    magnitudes = sample if reference.degree is None else samples.magnitudes(reference, sample)
    watch = _Largest()  # type: ignore[no-untyped-call]
    with watch:
        pair.run(sample)
        pair.run(magnitudes)
    return watch.largest


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own modes are not typed
    """Records the largest finite magnitude of all that torch computes."""

    largest = 0.0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.numel():
                finite = tensor.detach().nan_to_num(0.0, 0.0, 0.0)
                self.largest = max(self.largest, float(finite.abs().max()))
        return made
