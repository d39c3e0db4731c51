"""Bounds the error of values below the normal range that are stored between layers and then multiplied.

Storing a value loses at most s/2, half of the smallest positive number (a sum of two stored numbers loses nothing), and
a product in an accumulator, whose smallest number is s', loses s'/2. In a chain, the stages that follow multiply these
losses: what stage i loses in R_i roundings and the K products of a sum reaches the output as

    (s/2 * R_i + s'/2 * K) * |W_n| * ... * |W_(i+1)| * 1

and what is lost of a merged weight is multiplied with the input: (s/2 + s'/2 * K) * |x|, and that of a merged bias.

Where the platform flushes (see `flushing`), a number below the smallest normal n is lost whole: n takes the place of
s/2, 2 n' that of s'/2, since a product and the sum it is added to may both be lost, and factors are lost as well:

    |W| * |x| - |W'| * |x'|,  with 0 in W' and x' for what is below n
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convcheck.proof.evidence.reference_runs import in_float64
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rounding.precision import Arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side


def lost_between(pair: Pair, sample: Sample, unit: Arithmetic) -> Sides[Tensor | float]:
    """Return how often s/2, or n, is lost by each side before the output's own rounding: `[*output]`, float64, or 0."""
    # A flushed value between layers is lost once more as a factor.
    more = pair.terms * unit.sum_underflow / unit.underflow + bool(unit.flushed)
    return Sides(_in_chain(pair.reference, sample, more), _in_merged(pair, sample, 1 + more))


def flushed(pair: Pair, sample: Sample, unit: Arithmetic, magnitude: Tensor) -> Tensor | float:
    """Return what factors below the normal range lose in either side's output where the platform flushes.

    `magnitude` is the reference's output where all products are positive; what is returned is `[*output]`, float64.
    """
    if not unit.flushed:
        return 0.0
    sample = in_float64(sample)
    large = sample.mapped(lambda tensor: torch.where(tensor.abs() < unit.flushed, 0.0, tensor))
    # A variance is no factor; its root is.
    statistics = {name: sample.parameters[name] for name in pair.reference.statistics}
    large = Sample(large.inputs, {**large.parameters, **statistics})
    left = pair.run_reference(samples.magnitudes(pair.reference, large))
    return (magnitude.double() - left).abs()


def _in_chain(side: Side, sample: Sample, more: float) -> Tensor | float:
    if not side.stages:
        return 0.0
    assert isinstance(side.module, nn.Sequential)
    positive = samples.magnitudes(side, in_float64(sample))
    (value,), lost = positive.inputs, None
    for stage, module in zip(side.stages, side.module, strict=True):
        parameters = {
            name.removeprefix(stage.prefix): tensor
            for name, tensor in positive.parameters.items()
            if name.startswith(stage.prefix)
        }

        def run(x: Tensor, module: nn.Module = module, parameters: dict[str, Tensor] = parameters) -> Tensor:
            y: Tensor = functional_call(module, parameters, (x,))
            return y

        output = run(value)
        # Stages are affine: their difference at a loss and at 0 is the loss multiplied, without the bias.
        carried = torch.zeros_like(output) if lost is None else run(lost) - run(torch.zeros_like(lost))
        last = stage is side.stages[-1]
        lost = carried + (0 if last else stage.roundings.sums + int(stage.roundings.bias_apart) + more)
        value = output
    assert lost is not None
    return lost


def _in_merged(pair: Pair, sample: Sample, losses: float) -> Tensor | float:
    if not any(move.rounds for move in pair.mapping.moves):
        return 0.0
    ones = {
        move.target: torch.full(move.result(), losses * move.rounds, dtype=torch.float64) for move in pair.mapping.moves
    }
    return pair.candidate.run(Sample(tuple(tensor.abs() for tensor in in_float64(sample).inputs), ones))
