"""A transposed convolution whose kernel equals its stride is a 1x1 convolution, then depth-to-space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import ConvTranspose
from convcheck.rewriting.preconditions import spreads_tile
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: ConvTranspose, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    conv1x1 = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    channels = conv.out_channels * math.prod(conv.kernel_size)
    patches = spell("... (o {k}) {space} -> ... o {blocks}", conv.dims)

    class Conv1x1Unpatchify(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = conv1x1(conv.in_channels, channels, 1, groups=conv.groups, bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.project(x)
            # Channel-major, as PixelShuffle has it, so that the channels of one group stay together.
            return rearrange(y, patches, **conv.kernel_axes())

    return Conv1x1Unpatchify()


REWRITE = Rewrite(
    claim=__doc__,
    summary="1x1 convolution, then depth-to-space",
    reference="ConvTranspose1d, ConvTranspose2d or ConvTranspose3d",
    holds_when="kernel = stride, no padding, no output_padding, dilation 1 along axes where the kernel is longer "
    "than 1",
    formula="y[o, s*n + k] = b[o] + sum over i of W[i, o, k] * x[i, n], with s = kernel: no output is written twice",
    derivation=(
        "With s the kernel, d = 1 and p = 0, an output position is s*n + k for one input position n and one tap k "
        "only, so the layer's sum over them has one term. Channel (o k) of the 1x1 convolution holds it at n, and "
        "depth-to-space moves it to s*n + k."
    ),
    source="W. Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016",
    families=(ConvTranspose,),
    example="ConvTranspose2d(64, 3, kernel_size=16, stride=16)",
    preconditions=(spreads_tile,),
    candidate=candidate,
    weights={
        "project.weight": ("weight", "(g i) o {k} -> (g o {k}) i {ones}"),
        "project.bias": ("bias", "o -> (o {k})"),
    },
    training="the candidate has one bias for every sub-pixel of an output channel; they start as copies, and an "
    "optimiser step lets them drift apart, after which there is no way back",
)
