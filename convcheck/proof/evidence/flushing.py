"""Finds out whether the kernels of a side flush numbers below the normal range to zero.

Some instructions do whatever the processor is set to, such as those for products of bfloat16; others if it is set so
(torch.set_flush_denormal). Which ones run depends on dtype, device, operation and size, so the side itself is asked, on
its own shapes: with one of its inputs below the normal range throughout, and with the same input above it. Where the
side is linear in the input, it is flushed if less than half of the output is left.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convcheck.rounding.precision import Arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side

BELOW = 8.0
"""The numbers of an input below the normal range, in smallest positive numbers; of bfloat16, 128 are normal."""
ABOVE = 1024.0
"""Those of an input above it, in smallest normal numbers, so that no difference of two is below."""


def flushes(run: Callable[[Sample], Tensor], side: Side, unit: Arithmetic, device: torch.device, dtype: str) -> bool:
    """Tell whether `run` loses what is below the normal range; it takes a sample of `side` to an output."""
    ones = samples.ones(side)
    added = {name: "bias" in name.rpartition(".")[2] for name in ones.parameters}
    added |= {name: statistic.eps is None for name, statistic in side.statistics.items()}
    # Without what is added, the side is linear.
    parameters = {name: tensor * (not added[name]) for name, tensor in ones.parameters.items()}

    def output(number: int, value: float) -> Tensor:
        inputs = list(ones.inputs)
        inputs[number] = inputs[number] * value
        sample = Sample(tuple(inputs), parameters).mapped(Tensor.detach).to(device, getattr(torch, dtype))
        return run(sample).double().cpu() / value

    def loses(number: int) -> bool:
        return bool((output(number, BELOW * unit.smallest) < output(number, ABOVE * unit.normal) / 2).any())

    return any(loses(number) for number in range(len(ones.inputs)) if number not in side.boolean_inputs)
