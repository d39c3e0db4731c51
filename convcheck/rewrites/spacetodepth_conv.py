"""A strided convolution is space-to-depth by its stride, then a convolution of stride 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv
from convcheck.rewriting.kernels import dealt_to_phases, phase_taps, phases
from convcheck.rewriting.preconditions import no_holes, ungrouped
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def strided(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    if set(conv.stride) == {1}:
        why = "its blocks are single positions"
        yield Refusal("stride", conv.stride, "there is nothing to rewrite", why, vacuous=True)


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import fit_to_blocks, pad

    stride1: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    channels = conv.in_channels * math.prod(conv.stride)
    blocks = spell("... i {blocks} -> ... (i {k}) {space}", conv.dims)

    class SpaceToDepthConv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = stride1(channels, conv.out_channels, phase_taps(conv), bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            # Whole blocks, as far as windows reach: zeros fill the last one up, and a negative pad is a crop.
            x = fit_to_blocks(x, conv.kernel_size, conv.stride, phase_taps(conv))
            y: Tensor = self.conv(rearrange(x, blocks, **phases(conv)))
            return y

    return SpaceToDepthConv()


def weights(conv: Conv, shape: Shape) -> Mapping[str, Recipe]:
    to_depth = dealt_to_phases(conv, "o i {k}", "o i {blocks} -> o (i {k}) {space}")
    return {"conv.weight": ("weight", to_depth), "conv.bias": ("bias", "o -> o")}


def macs(conv: Conv, shape: Shape) -> int:
    return conv.macs(shape) // math.prod(conv.kernel_size) * math.prod(phase_taps(conv)) * math.prod(conv.stride)


REWRITE = Rewrite(
    claim=__doc__,
    summary="space-to-depth by the stride, stride-1 convolution",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="stride above 1 along some axis, groups 1, dilation 1 along axes where the kernel is longer than 1",
    formula="y[o, n] = b[o] + sum over i, t, r of W[o, i, s*t + r] * x[i, s*(n + t) + r - p], W zero beyond the kernel",
    derivation=(
        "Write a tap as k = s*t + r. Then s*n + k - p = s*(n + t) + r - p, which is phase r at position n + t. "
        "Space-to-depth makes channels of (i, r), and the sum over them and t is a convolution of stride 1."
    ),
    source="P. P. Vaidyanathan, Multirate Systems and Filter Banks, 1993, section 4.3 (the polyphase representation)",
    families=(Conv,),
    example="Conv2d(3, 64, kernel_size=7, stride=2, padding=3)",
    preconditions=(strided, no_holes, ungrouped),
    candidate=candidate,
    weights=weights,
    macs=macs,
    training="the kernel is filled up with zeros to a multiple of the stride; an optimiser step makes them weights of "
    "their own, and the candidate becomes a larger convolution",
)
