"""Runs the reference in a dtype, and in float64 on the same numbers: what a bound is made of."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from convcheck.proof.batch import MANY
from convcheck.proof.evidence import rounding
from convcheck.proof.observations import is_remembered, remembered
from convcheck.proof.pair import Pair
from convcheck.rounding.precision import arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample

FAITHFUL, FAITHFUL_SINGLE = 1e-145, 1e-15
"""A norm above it is made of squares that float64 (float32) holds; one below is taken to be as large as it can be."""

LEAST_SINGLE, MOST_SINGLE = 1e-25, 1e30
"""Sums between these are made of products that float32 holds, but for what is far below a rounding of the sum."""

SINGLE = 2.0**-24
SAFE = 4
"""Every product has roundings of its factors beside that of the sum."""

HUNDREDTH = 0.01


class ReferenceRun(NamedTuple):
    """The reference in a dtype, and in float64 on the same numbers."""

    drawn: Sample
    sample: Sample
    """The drawn one, rounded to the dtype, on the device of the run."""
    output: Tensor
    """In the dtype, on the CPU."""
    widened: Sample | None
    """The rounded one in float64, on the CPU; None where float64 goes through the batch part by part, or is large."""
    truth: rounding.Truth | None


def run_reference(pair: Pair, drawn: Sample, dtype: torch.dtype, device: torch.device) -> ReferenceRun:
    """Run the reference on the numbers of a sample, rounded to a dtype, in that dtype and in float64."""

    def compute() -> ReferenceRun:
        sample = drawn.to(device, dtype)
        output = pair.run_reference(sample).cpu()
        is_wide = dtype == torch.float64 and device.type == "cpu"
        if pair.part is not None or (not is_wide and _is_large(sample)):
            return ReferenceRun(drawn, sample, output, None, None)
        widened = in_float64(sample)
        return ReferenceRun(
            drawn, sample, output, widened, float64_reference(pair, widened, output if is_wide else None)
        )

    if not is_remembered(pair.reference, drawn):
        # Nobody else has this sample.
        return compute()
    key = ("run", id(drawn), dtype, device, pair.part, pair.analysis is None, _needs_bias(pair))
    return remembered(pair.reference, key, compute)


def in_float64(sample: Sample) -> Sample:
    """Return a sample in float64, on the CPU."""
    return sample.to(torch.device("cpu"), torch.float64)


def _is_large(sample: Sample) -> bool:
    """Tell whether a sample has so many numbers that float64 is not held beside what is made of it."""
    return sum(tensor.numel() for tensor in sample.tensors().values()) > MANY


def _needs_bias(pair: Pair) -> bool:
    """Tell whether the bound needs to know the bias, see `rounding`, or it is known without a run."""
    apart = any(side.roundings.bias_apart and side.roundings.sums <= 1 for side in (pair.reference, pair.candidate))
    return apart or _has_bias(pair)


def _has_bias(pair: Pair) -> bool:
    """Tell whether the reference multiplies inputs with one weight, and adds a bias a channel."""
    reference = pair.reference
    return reference.degree == 2 and pair.graphs is None and reference.parameters.keys() == {"weight", "bias"}


def float64_reference(pair: Pair, sample: Sample, output: Tensor | None = None) -> rounding.Truth:
    """Run the reference in float64 at `sample`, on zeros, on magnitudes, and on squares; see `rounding.Truth`.

    `sample` may be in another dtype; `output` is that at `sample` in float64, where it is known.
    """
    wide = in_float64(sample)
    output = pair.run_reference(wide) if output is None else output
    if pair.analysis is not None:
        return rounding.Truth(output, torch.zeros_like(output), output.abs(), output.abs())
    bias = _at_zero(pair, wide) if _needs_bias(pair) else torch.zeros((), dtype=torch.float64)
    # What is made of magnitudes may need no float64.
    del wide
    magnitude, norm = _sizes(pair, sample)
    return rounding.Truth(output=output, bias=bias, magnitude=magnitude, norm=norm)


def _sizes(pair: Pair, sample: Sample) -> tuple[Tensor, Tensor]:
    """Return magnitude and norm at a sample, see `rounding.Truth`.

    Sums of K numbers of one sign are off by no more than K * u of themselves, so of a part of a large batch, or of many
    numbers, they are made and kept in float32, and larger by that share, where that is less than a hundredth and
    float32 holds the numbers.
    """
    reference = pair.reference
    share = SAFE * reference.degree * pair.terms * SINGLE if reference.degree else 1.0
    variances = any(statistic.eps is not None for statistic in reference.statistics.values())
    if (pair.part is not None or _is_large(sample)) and share < HUNDREDTH and not variances and not _narrow():
        narrow = sample.mapped(lambda tensor: tensor.to(torch.float32, copy=True))
        # The last factor is rounded as well, and so is the root.
        larger = 1 + share + SAFE * SINGLE
        magnitude = pair.run_reference(samples.magnitudes(reference, narrow, in_place=True)).mul_(larger)
        if float(magnitude.min()) > LEAST_SINGLE and float(magnitude.max()) < MOST_SINGLE:
            norm = pair.run_reference(samples.squares(reference, narrow, in_place=True)).sqrt_().mul_(larger)
            return magnitude, _at_most(norm, magnitude, FAITHFUL_SINGLE)
    wide = in_float64(sample)
    magnitude = pair.run_reference(samples.magnitudes(reference, wide))
    norm = pair.run_reference(samples.squares(reference, wide)).sqrt_()
    return magnitude, _at_most(norm, magnitude, FAITHFUL)


def _at_most(norm: Tensor, magnitude: Tensor, faithful: float) -> Tensor:
    """Return the norm, which is overwritten: no larger than the magnitude, and as large where it is not faithful."""
    known = norm > faithful
    torch.minimum(norm, magnitude, out=norm)
    return torch.where(known, norm, magnitude, out=norm)


def _narrow() -> bool:
    """Tell whether torch is told to round the factors of float32 products here."""
    return arithmetic(torch.float32, torch.device("cpu")).factor > 0


def _at_zero(pair: Pair, sample: Sample) -> Tensor:
    """Return the reference's output for inputs of zeros: float64, of the output's shape, or what broadcasts to it.

    Of a layer that multiplies inputs with a weight that is the bias.
    """
    reference = pair.reference
    if _has_bias(pair):
        behind = len(reference.output_axes) - 1 - reference.output_axes.index("o")
        return sample.parameters["bias"].reshape(-1, *[1] * behind)
    # Of entries that are alike, one tells.
    few = sample.inputs if pair.part is None else tuple(tensor[:1] for tensor in sample.inputs)
    return pair.run_reference(Sample(tuple(map(torch.zeros_like, few)), sample.parameters))
