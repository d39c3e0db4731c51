"""Rounding errors made by hand, where a kernel may make others, or none."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convcheck.proof.pair import Pair
from convcheck.sides.sample import Sample


def one_in_the_last_place_apart(pair: Pair, point: Sample) -> tuple[Tensor, Tensor]:
    """Run a pair so that in any dtype but float64 its candidate gives the numbers next to those of the reference."""
    reference = pair.run_reference(point)
    if reference.dtype == torch.float64:
        return reference, pair.run_candidate(point)
    return reference, torch.nextafter(reference, torch.full_like(reference, math.inf))
