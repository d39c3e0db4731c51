"""A transposed convolution is a convolution of stride 1 that makes all of its phases, then depth-to-space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convcheck.layers import ConvTranspose
from convcheck.rewriting.kernels import dealt_to_phases, flips, phase_taps, phases, with_phases
from convcheck.rewriting.preconditions import no_holes
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.sizes.patterns import SPACE_AXES, Shape, spell

if TYPE_CHECKING:
    from torch import nn


def borders(conv: ConvTranspose) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the zeros to add around the input and the positions to crop from the output, (before, after) an axis."""
    pads, crops = [], []
    for spread, count in zip(conv.spreads, phase_taps(conv), strict=True):
        kernel, stride, cut, more = spread.kernel, spread.stride, spread.padding, spread.output_padding
        before = max(0, count - 1 - cut // stride)
        after = max(0, (kernel - 1 + more - cut) // stride)
        pads.append((before, after))
        crops.append((cut - stride * (count - 1 - before), stride * (after + 1) - (kernel + more - cut)))
    return pads, crops


def candidate(conv: ConvTranspose, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import pad

    stride1: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    channels = (conv.in_channels, conv.out_channels * math.prod(conv.stride))
    pads, crops = borders(conv)
    blocks = spell("... (o {k}) {space} -> ... o {blocks}", conv.dims)

    class ConvDepthToSpace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = stride1(*channels, phase_taps(conv), groups=conv.groups, bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, pads)
            # Channel-major, as PixelShuffle has it, so that the channels of one group stay together.
            y = rearrange(self.conv(x), blocks, **phases(conv))
            # A negative pad is a crop.
            return pad(y, [(-before, -after) for before, after in crops])

    return ConvDepthToSpace()


def weights(conv: ConvTranspose, shape: Shape) -> dict[str, Recipe]:
    to_phases = dealt_to_phases(conv, "(g i) o {k}", "(g i) o {blocks} -> (g o {k}) i {space}")
    flipped = to_phases + flips(SPACE_AXES[conv.dims])
    return {"conv.weight": ("weight", flipped), "conv.bias": ("bias", with_phases(conv, "o -> (o {k})"))}


def macs(conv: ConvTranspose, shape: Shape) -> int:
    conv.output_shape(shape)
    taps = phase_taps(conv)
    space = zip(shape[-conv.dims :], borders(conv)[0], taps, strict=True)
    positions = math.prod(length + sum(pads) - count + 1 for length, pads, count in space)
    products = conv.in_channels // conv.groups * conv.out_channels * math.prod(conv.stride) * math.prod(taps)
    return math.prod(shape[: -conv.dims - 1]) * positions * products


REWRITE = Rewrite(
    claim=__doc__,
    summary="stride-1 convolution of all phases, depth-to-space",
    reference="ConvTranspose1d, ConvTranspose2d or ConvTranspose3d",
    holds_when="dilation 1 along axes where the kernel is longer than 1",
    formula="y[o, s*m + r - p] = b[o] + sum over i, t of W[i, o, s*t + r] * x[i, m - t], W zero beyond the kernel",
    derivation=(
        "Input n reaches output s*n + k - p by tap k. Write k = s*t + r and n = m - t: then the output is s*m + r - p. "
        "For every phase r that is a convolution of stride 1 over t; depth-to-space lays the phases side by side, and "
        "p positions are cut off."
    ),
    source="W. Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016",
    families=(ConvTranspose,),
    example="ConvTranspose2d(8, 4, kernel_size=4, stride=2, padding=1)",
    preconditions=(no_holes,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    # As im2col writes the convolution out, all images at once.
    intermediates=lambda conv, shape: macs(conv, shape) // (conv.out_channels * math.prod(conv.stride)),
    training="the candidate has one bias for every phase of an output channel, and zeros where the stride does not "
    "divide the kernel; an optimiser step lets the copies drift apart and makes the zeros weights of their own",
)
