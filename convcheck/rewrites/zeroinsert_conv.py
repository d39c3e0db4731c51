"""A transposed convolution is zeros between the inputs, then a convolution of stride 1 with the flipped kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convcheck.layers import ConvTranspose
from convcheck.rewriting.kernels import flips
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.sizes.patterns import SPACE_AXES, Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: ConvTranspose, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import pad

    dims = conv.dims
    stride1: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    # What the transposed layer calls padding is cut away, so here it is missing.
    missing = [d * (k - 1) - p for k, d, p in zip(conv.kernel_size, conv.dilation, conv.padding, strict=True)]
    # The last block has zeros already.
    ends = zip(missing, conv.output_padding, conv.stride, strict=True)
    pads = [(before, before + more - (step - 1)) for before, more, step in ends]
    # Every input begins a block as long as the stride.
    first = spell("... {space} -> ... ", dims) + " ".join(f"{axis} 1" for axis in SPACE_AXES[dims])
    fills = [pair for step in conv.stride for pair in ((0, 0), (0, step - 1))]
    apart = " ".join(f"{axis} k{axis}" for axis in SPACE_AXES[dims])
    joined = f"... {apart}" + spell(" -> ... {blocks}", dims)
    channels = (conv.in_channels, conv.out_channels)
    options = {"dilation": conv.dilation, "groups": conv.groups, "bias": conv.bias}

    class ZeroInsertConv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = stride1(*channels, conv.kernel_size, **options)

        def forward(self, x: Tensor) -> Tensor:
            blocks = pad(rearrange(x, first), fills)
            # A negative pad is a crop.
            between = pad(rearrange(blocks, joined), pads)
            y: Tensor = self.conv(between)
            return y

    return ZeroInsertConv()


def weights(conv: ConvTranspose, shape: Shape) -> dict[str, Recipe]:
    flipped = "(g i) o {k} -> (g o) i {k}" + flips(conv.kernel_axes())
    return {"conv.weight": ("weight", flipped), "conv.bias": ("bias", "o -> o")}


def macs(conv: ConvTranspose, shape: Shape) -> int:
    # Every output takes a whole kernel now, most of it times the zeros.
    positions = math.prod(conv.output_shape(shape)[-conv.dims :])
    return conv.macs(shape) // math.prod(shape[-conv.dims :]) * positions


def intermediates(conv: ConvTranspose, shape: Shape) -> int:
    """Count the inputs with zeros between, before and after they are padded, and what im2col writes out."""
    return 2 * math.prod(shape) * math.prod(conv.stride) + macs(conv, shape) // conv.out_channels


REWRITE = Rewrite(
    claim=__doc__,
    summary="zeros between inputs, then a flipped convolution",
    reference="ConvTranspose1d, ConvTranspose2d or ConvTranspose3d",
    holds_when="always",
    formula="y[o, m] = b[o] + sum over i, k of W[i, o, K-1-k] * z[i, m + d*k - (d*(K-1) - p)], with z[i, s*n] = "
    "x[i, n] and zeros elsewhere",
    derivation=(
        "Output m gets W[i, o, k] * x[i, n] where s*n = m + p - d*k. With K-1-k in place of k that is s*n = m + d*k - "
        "(d*(K-1) - p), and z is zero where that is no multiple of s."
    ),
    source="V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016, chapter 4",
    families=(ConvTranspose,),
    example="ConvTranspose2d(4, 6, kernel_size=3, stride=2, padding=1, output_padding=1)",
    candidate=candidate,
    weights=weights,
    macs=macs,
    intermediates=intermediates,
    # What is multiplied is laid out twice, most of it zeros.
    slowness=lambda *_: 3,
)
