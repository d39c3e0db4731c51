"""A change of layout is indexing: the place in the input of every output is computed, then looked up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Layer, Roundings
from convcheck.rewriting.layouts import LAYOUTS, as_pattern
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Group, Shape

if TYPE_CHECKING:
    from torch import nn


def contiguous_strides(groups: tuple[Group, ...], sizes: dict[str, int]) -> dict[str, int]:
    """Return how far apart neighbours along every axis are in a contiguous tensor: its strides, in entries."""
    strides, apart = {}, 1
    for axis in reversed([axis for group in groups for axis in group]):
        strides[axis] = apart
        apart *= sizes[axis]
    return strides


def candidate(layer: Layer, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn

    pattern, sizes = as_pattern(layer, shape)
    here, there = contiguous_strides(pattern.source, sizes), contiguous_strides(pattern.target, sizes)
    # For every axis: its neighbours' distance in the output, its length, and their distance in the input.
    axes = [(there[axis], sizes[axis], here[axis]) for axis in sizes]
    output = tuple(math.prod(sizes[axis] for axis in group) for group in pattern.target)

    class Indexed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            place = torch.arange(x.numel(), device=x.device)
            index = torch.zeros_like(place)
            for apart, length, step in axes:
                index = index + place // apart % length * step
            return x.flatten()[index].reshape(output)

    return Indexed()


REWRITE = Rewrite(
    claim=__doc__,
    summary="a lookup at indices that are computed",
    reference="PixelShuffle, PixelUnshuffle, Flatten, Unflatten or rearrange()",
    holds_when="always",
    formula="y.flat[m] = x.flat[sum over axes a of ((m // out_stride[a]) % length[a]) * in_stride[a]]",
    source="the definition of strides: torch.Tensor.stride",
    families=LAYOUTS,
    example="PixelShuffle(2)",
    candidate=candidate,
    roundings=lambda _layer: Roundings(sums=0),
)
