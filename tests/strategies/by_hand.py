"""Rounding errors made by hand, where a kernel may make others, or none."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convcheck.proof.pair import Pair
from convcheck.sides.sample import Sample

RUN = Pair.run_candidate


def one_in_the_last_place_apart(pair: Pair, point: Sample) -> Tensor:
    """Run a candidate so that in any dtype but float64 it gives the numbers next to those of the reference."""
    reference = pair.run_reference(point)
    if reference.dtype == torch.float64:
        return RUN(pair, point)
    return torch.nextafter(reference, torch.full_like(reference, math.inf))
