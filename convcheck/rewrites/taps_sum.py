"""A convolution is a sum of 1x1 convolutions, one for every tap of its kernel, each on a strided slice of the input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from itertools import product
    from typing import Any

    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from convcheck.modules.parts import pad

    dims = conv.dims
    conv1x1: Any = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[dims]

    class TapsSum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one_tap = (conv.out_channels, conv.in_channels // conv.groups, *[1] * dims)
            self.weight = nn.Parameter(torch.empty(*conv.kernel_size, *one_tap))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            first, *others = product(*map(range, conv.kernel_size))
            y: Tensor = conv1x1(self.read_by(first, x), self.weight[first], self.bias, groups=conv.groups)
            for tap in others:
                y = y + conv1x1(self.read_by(tap, x), self.weight[tap], groups=conv.groups)
            return y

        def read_by(self, tap: tuple[int, ...], x: Tensor) -> Tensor:
            """Return every position that this tap reads: up to where the taps after it would reach over the end."""
            axes = zip(tap, conv.kernel_size, conv.stride, conv.dilation, x.shape[-dims:], strict=True)
            read: Any = (..., *(slice(d * t, length - d * (k - 1 - t), s) for t, k, s, d, length in axes))
            return x[read]

    return TapsSum()


REWRITE = Rewrite(
    claim=__doc__,
    summary="a sum of 1x1 convolutions, one for every tap",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="always",
    formula="y[o, n] = b[o] + sum over k of (sum over i of W[k, o, i] * x[i, s*n + d*k - p])",
    derivation=(
        "The layer's sum over taps is taken last. For one tap k, the sum over i is a 1x1 convolution on the slice of x "
        "that begins at d*k - p and goes in steps of s."
    ),
    source="A. Vasudevan, A. Anderson and D. Gregg, Parallel Multi Channel Convolution using General Matrix "
    "Multiplication, 2017 (kn2row)",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, stride=2, padding=1, groups=2)",
    candidate=candidate,
    weights={"weight": ("weight", "o i {k} -> {k} o i {ones}"), "bias": ("bias", "o -> o")},
    # Every tap's sum over the channels is stored, and so is every sum over the taps so far; the bias is in the first.
    relative_cost=50,
    # Of few channels, reading and adding a tap's output takes longer than making it.
    slowness=lambda conv, _shape: 1 + 150 * conv.groups / conv.in_channels,
    roundings=lambda conv: Roundings(math.prod(conv.kernel_size)),
)
