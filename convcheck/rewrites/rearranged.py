"""A change of layout is an einops pattern, and an einops pattern is view, permute, view."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Layer, Roundings
from convcheck.rewriting.layouts import LAYOUTS, as_pattern
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(layer: Layer, shape: Shape) -> nn.Module:
    from einops.layers.torch import Rearrange
    from torch import Tensor, nn

    pattern, sizes = as_pattern(layer, shape)
    split = [axis for group in pattern.source for axis in group]
    moved = [axis for group in pattern.target for axis in group]
    lengths = [sizes[axis] for axis in split]
    places = [split.index(axis) for axis in moved]
    output = [math.prod(sizes[axis] for axis in group) for group in pattern.target]

    if layer.kind == "rearrange":

        class ViewPermute(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return x.reshape(lengths).permute(places).reshape(output)

        rearranged: nn.Module = ViewPermute()
    else:
        rearranged = Rearrange(str(pattern), **sizes)
    return rearranged


REWRITE = Rewrite(
    claim=__doc__,
    summary="view, permute, view",
    reference="PixelShuffle, PixelUnshuffle, Flatten, Unflatten or rearrange()",
    holds_when="always",
    formula="y[joined axes, in their new order] = x[joined axes, in their old order]",
    source="A. Rogozhnikov, Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation, 2022",
    families=LAYOUTS,
    example="rearrange('b c (h p) (w q) -> b h w (p q c)', p=2, q=2)",
    candidate=candidate,
    roundings=lambda _layer: Roundings(sums=0),
)
