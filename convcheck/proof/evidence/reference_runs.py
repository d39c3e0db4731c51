"""Runs the reference in a dtype, and in float64 on the same numbers: what a bound is made of."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from convcheck.proof.evidence import rounding
from convcheck.proof.observations import is_remembered, remembered
from convcheck.proof.pair import Pair
from convcheck.sides import samples
from convcheck.sides.sample import Sample

FAITHFUL = 1e-145
"""A norm above it is made of squares that float64 holds; one below is taken to be as large as it can be."""


class ReferenceRun(NamedTuple):
    """The reference in a dtype, and in float64 on the same numbers."""

    drawn: Sample
    sample: Sample
    """The drawn one, rounded to the dtype, on the device of the run."""
    output: Tensor
    """In the dtype; as float64, on the CPU."""
    widened: Sample
    """The rounded one in float64, on the CPU."""
    truth: rounding.Truth


def run_reference(pair: Pair, drawn: Sample, dtype: torch.dtype, device: torch.device) -> ReferenceRun:
    """Run the reference on the numbers of a sample, rounded to a dtype, in that dtype and in float64."""

    def compute() -> ReferenceRun:
        cpu = torch.device("cpu")
        sample = drawn.to(device, dtype)
        output = pair.run_reference(sample).double().cpu()
        widened = sample.to(cpu, torch.float64)
        is_wide = dtype == torch.float64 and device == cpu
        return ReferenceRun(
            drawn, sample, output, widened, float64_reference(pair, widened, output if is_wide else None)
        )

    if not is_remembered(pair.reference, drawn):
        # Nobody else has this sample.
        return compute()
    key = ("run", id(drawn), dtype, device, pair.analysis is None, _needs_bias(pair))
    return remembered(pair.reference, key, compute)


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

    `output` is that at `sample`, where it is known.
    """
    reference = pair.reference
    output = pair.run_reference(sample) if output is None else output
    if pair.analysis is not None:
        return rounding.Truth(output, torch.zeros_like(output), output.abs(), output.abs())
    magnitude = pair.run_reference(samples.magnitudes(reference, sample))
    norm = pair.run_reference(samples.squares(reference, sample)).sqrt()
    return rounding.Truth(
        output=output,
        bias=_at_zero(pair, sample) if _needs_bias(pair) else torch.zeros((), dtype=torch.float64),
        magnitude=magnitude,
        norm=torch.where(norm > FAITHFUL, norm.minimum(magnitude), magnitude),
    )


def _at_zero(pair: Pair, sample: Sample) -> Tensor:
    """Return the reference's output for inputs of zeros: float64, of the output's shape, or what broadcasts to it.

    Of a layer that multiplies inputs with a weight that is the bias.
    """
    reference = pair.reference
    if _has_bias(pair):
        behind = len(reference.output_axes) - 1 - reference.output_axes.index("o")
        return sample.parameters["bias"].reshape(-1, *[1] * behind)
    zeros = tuple(torch.zeros_like(tensor) for tensor in sample.inputs)
    return pair.run_reference(Sample(zeros, sample.parameters))
