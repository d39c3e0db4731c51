"""Bounds the error of values below the normal range that are stored between layers and then multiplied.

Storing a value loses at most s/2, half of the smallest positive number (a sum of two stored numbers loses nothing). In
a chain, the stages that follow multiply that loss: what stage i loses in R_i roundings reaches the output as

    s/2 * R_i * |W_n| * ... * |W_(i+1)| * 1

and the s/2 lost of a merged weight is multiplied with the input: s/2 * 1 * |x|, and s/2 of a merged bias.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rewriting.transplant import Merge
from convcheck.sides import samples
from convcheck.sides.samples import Sample
from convcheck.sides.side import Side


def lost_between(pair: Pair, sample: Sample) -> Sides[Tensor | float]:
    """Return how many times s/2 each side's outputs lose before their own rounding: `[*output]`, float64, or 0."""
    return Sides(_in_chain(pair.reference, sample), _in_merged(pair, sample))


def _in_chain(side: Side, sample: Sample) -> Tensor | float:
    if not side.stages:
        return 0.0
    assert isinstance(side.module, nn.Sequential)
    positive = samples.magnitudes(side, sample)
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
        lost = carried + (0 if last else stage.roundings.sums + int(stage.roundings.bias_apart))
        value = output
    assert lost is not None
    return lost


def _in_merged(pair: Pair, sample: Sample) -> Tensor | float:
    if not pair.mapping.merges():
        return 0.0
    ones = {
        move.target: torch.full(move.result(), float(isinstance(move, Merge)), dtype=torch.float64)
        for move in pair.mapping.moves
    }
    return pair.candidate.run(Sample(tuple(tensor.abs() for tensor in sample.inputs), ones))
