"""A convolution whose kernel equals its stride is space-to-depth, then a 1x1 convolution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Conv
from convcheck.rewriting.preconditions import windows_tile
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import crop

    conv1x1 = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    channels = conv.in_channels * math.prod(conv.kernel_size)
    patches = spell("... i {blocks} -> ... (i {k}) {space}", conv.dims)

    class PatchifyConv1x1(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = conv1x1(channels, conv.out_channels, 1, groups=conv.groups, bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            # What fills no window is dropped, as a convolution does.
            x = crop(x, conv.kernel_size)
            # Channel-major, so that the channels of one group stay together.
            y: Tensor = self.project(rearrange(x, patches, **conv.kernel_axes()))
            return y

    return PatchifyConv1x1()


REWRITE = Rewrite(
    claim=__doc__,
    summary="space-to-depth, then 1x1 convolution",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="kernel = stride, no padding, dilation 1 along axes where the kernel is longer than 1",
    formula="y[o, n] = b[o] + sum over i, k of W[o, (i k)] * x[i, s*n + k], with s = kernel: no input is read twice",
    derivation=(
        "With s the kernel, d = 1 and p = 0, the layer reads x[i, s*n + k]. Space-to-depth puts that into channel (i "
        "k) at n, and a 1x1 convolution sums over channels."
    ),
    source="torch.nn.PixelUnshuffle, whose channel order this is, in any number of dimensions",
    families=(Conv,),
    example="Conv2d(3, 64, kernel_size=16, stride=16)",
    preconditions=(windows_tile,),
    candidate=candidate,
    weights={"project.weight": ("weight", "o i {k} -> o (i {k}) {ones}"), "project.bias": ("bias", "o -> o")},
)
