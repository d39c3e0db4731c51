"""How far two sides that cannot be traced may be apart: an estimate from runs on numbers that are rounded otherwise.

Nothing is known of what such code computes. In float64 every number that goes in is changed by a share of 2^-30 at
random, and how far the outputs move says what a relative error does to them, to first order; roundings on the way are
taken to do as much as FACTOR roundings of what goes in. This is no bound, and is not called one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from convcheck.proof.pair import Pair
from convcheck.rounding.precision import Arithmetic
from convcheck.sides.sample import Sample

SHARE = 2.0**-30
RUNS = 4
FACTOR = 64.0


def scatter(pair: Pair, sample: Sample, unit: Arithmetic) -> Tensor:
    """Return how far both outputs may be apart in an arithmetic: float64, one number for all entries, `[*output]`."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros((), dtype=torch.float64)
    shape = None
    for run in (pair.run_reference, pair.run_candidate):
        output = run(sample)
        shape = output.shape if shape is None else shape
        moved = [float((run(_changed(sample, generator)) - output).abs().max()) for _ in range(RUNS)]
        total = total + max(moved) / SHARE + float(output.abs().max())
    return (FACTOR * max(unit.output, unit.accumulator) * total).expand(shape or ()).clone()


def _changed(sample: Sample, generator: torch.Generator) -> Sample:
    def change(tensor: Tensor) -> Tensor:
        signs = torch.randint(2, tensor.shape, generator=generator, dtype=tensor.dtype) * 2 - 1
        return tensor * (1 + SHARE * signs)

    return sample.mapped(change)
