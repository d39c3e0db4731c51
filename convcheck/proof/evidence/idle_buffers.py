"""Finds buffers of the user's own that are zeros or ones, beside which what a side does with them cannot be seen.

Buffers that are no running statistics are constants, with the values that they have. A sum with zeros and a product
with ones may as well be left out; after training, or from a checkpoint, they may be other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from convcheck.errors import CannotRunError
from convcheck.proof.observations import stream
from convcheck.proof.pair import Pair
from convcheck.proof.user_side import UserSide
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side

DRAWN = 600_011
"""The stream of the numbers that are drawn."""

NEAR = 2.0**-30
"""Of the largest output: what float64 does not round."""


def idle_buffers(pair: Pair, seed: int) -> Iterator[str]:
    """Yield sentences on buffers of zeros or ones that make a difference between both sides at other values."""
    sides = (pair.reference, pair.candidate)
    ours, theirs = (dict(_idle(side)) for side in sides)
    drawn = pair.balanced(stream(seed, DRAWN))
    inputs = drawn.inputs
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        parameters = (drawn.parameters, pair.mapping.forward(drawn.parameters))
        for name in dict.fromkeys((*ours, *theirs)):
            value = ours.get(name, theirs.get(name))
            assert value is not None
            other = torch.rand(value.shape, generator=generator, dtype=torch.float64) + 0.5
            try:
                outputs = [
                    side.run(Sample(inputs, {**tensors, **({name: other} if name in _buffers(side) else {})}))
                    for side, tensors in zip(sides, parameters, strict=True)
                ]
            except CannotRunError:
                # It is no buffer that takes any value.
                continue
            if not _near(*outputs):
                what = "zeros" if not value.any() else "ones"
                yield f"the buffer {name} is {what}; with other numbers in it the sides differ"


def _buffers(side: Side) -> Mapping[str, Tensor]:
    return dict(side.module.named_buffers()) if isinstance(side, UserSide) else {}


def _idle(side: Side) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers of floats, but for statistics, that are all zeros or all ones."""
    for name, tensor in _buffers(side).items():
        plain = tensor.is_floating_point() and tensor.numel() and name not in side.statistics
        if plain and (not tensor.any() or bool((tensor == 1).all())):
            yield name, tensor


def _near(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    finite = one.isfinite() & other.isfinite()
    if not finite.any():
        return True
    gap = torch.where(finite, one - other, 0.0).abs().max()
    return bool(gap <= NEAR * torch.where(finite, one, 0.0).abs().max())
