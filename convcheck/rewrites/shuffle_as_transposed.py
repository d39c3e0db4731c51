"""A convolution, then PixelShuffle, is one transposed convolution with a kernel r times as long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from convcheck.layers import Conv, PixelShuffle, Roundings, Sequential
from convcheck.rewriting.chains import chain_refusal
from convcheck.rewriting.kernels import flips
from convcheck.rewriting.preconditions import has_holes, is_padded
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def spreadable(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (Conv,), (PixelShuffle,)):
        yield refusal
        return
    conv = cast(Conv, chain.layers[0])
    if set(conv.stride) != {1}:
        yield Refusal("stride", conv.stride, "needs to be 1", "every input has to be spread over the outputs")
    if has_holes(conv):
        yield Refusal("dilation", conv.dilation, "needs to be 1", "taps must lie next to each other")
    if is_padded(conv) and conv.padding_mode != "zeros":
        yield Refusal("padding_mode", conv.padding_mode, "needs to be zeros", "beyond the border nothing is spread")
    if any(max(pads) > k - 1 for pads, k in zip(conv.pads, conv.kernel_size, strict=True)):
        yield Refusal("padding", conv.padding, "needs to be below kernel_size", "further out no input reaches")


def borders(conv: Conv, upscale: int) -> tuple[Shape, Shape]:
    """Return how many outputs are cut on both sides of every axis, and how many more before it, as 'same' may need."""
    axes = list(zip(conv.kernel_size, conv.pads, strict=True))
    both = tuple((k - 1 - after) * upscale for k, (_, after) in axes)
    return both, tuple((after - before) * upscale for _, (before, after) in axes)


def kept_groups(conv: Conv, upscale: int) -> int:
    """Return the groups of the transposed convolution: 1 where a group would end within the phases of one channel."""
    return conv.groups if conv.out_channels // conv.groups % upscale**2 == 0 else 1


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn

    conv = cast(Conv, chain.layers[0])
    upscale = cast(PixelShuffle, chain.layers[1]).upscale_factor
    outputs = conv.out_channels // upscale**2
    cut, more = borders(conv, upscale)
    arguments: dict[str, Any] = {
        "kernel_size": tuple(upscale * k for k in conv.kernel_size),
        "stride": upscale,
        "padding": cut,
        "groups": kept_groups(conv, upscale),
        "bias": False,
    }

    class ShuffleAsTransposed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transposed = nn.ConvTranspose2d(conv.in_channels, outputs, **arguments)
            self.bias = nn.Parameter(torch.empty(outputs, upscale, upscale)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.transposed(x)
            if any(more):
                y = y[..., more[0] :, more[1] :]
            if self.bias is not None:
                # Every sub-pixel of an input's block has a bias of its own.
                y = y + self.bias.tile(1, y.shape[-2] // upscale, y.shape[-1] // upscale)
            return y

    return ShuffleAsTransposed()


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    conv, upscale = cast(Conv, chain.layers[0]), cast(PixelShuffle, chain.layers[1]).upscale_factor
    groups = kept_groups(conv, upscale)
    lengths = f", ph={upscale}, pw={upscale}"
    spread = f"(g o ph pw) i kh kw -> (g i) o (kh ph) (kw pw), g={groups}{lengths}" + flips(("kh", "kw"))
    dense = f"o i kh kw -> o i kh kw | blocks i {conv.groups} | {spread}"
    return {
        "transposed.weight": ("0.weight", spread if groups == conv.groups else dense),
        "bias": ("0.bias", f"(o ph pw) -> o ph pw{lengths}"),
    }


def macs(chain: Sequential, shape: Shape) -> int:
    conv, upscale = cast(Conv, chain.layers[0]), cast(PixelShuffle, chain.layers[1]).upscale_factor
    weight = math.prod(conv.parameters()["weight"])
    dense = conv.groups // kept_groups(conv, upscale)
    # Every input is multiplied with the whole kernel, whatever of it is cut away.
    return math.prod(shape[:-3]) * math.prod(shape[-2:]) * weight * dense


REWRITE = Rewrite(
    claim=__doc__,
    summary="one transposed convolution with a longer kernel",
    reference="Sequential of Conv2d and PixelShuffle",
    holds_when="stride 1, dilation 1, padding with zeros and by less than the kernel",
    formula="y[o, r*n + a] = b[o, a] + sum over i, j of V[i, o, r*(n - j) + a + P] * x[i, j], with "
    "V[i, o, r*(k-1-t) + a] = W[(o a), i, t] and P = (k-1-p)*r",
    derivation=(
        "Tap t of the convolution reads input j = n + t - p for what PixelShuffle puts at r*n + a. A transposed "
        "convolution of stride r and padding P gets from j to there by tap r*(n - j) + a + P = r*(k-1-t) + a. So V "
        "holds the taps of W in reverse, and r phases of each side by side."
    ),
    source="W. Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016",
    families=(Sequential,),
    example="Sequential(Conv2d(8, 12, 3, padding=1), PixelShuffle(2))",
    preconditions=(spreadable,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    # As in torch's transposed kernel, every tap is stored; taps of one phase are as many as the convolution's.
    roundings=lambda chain: Roundings(math.prod(chain.layers[0].kernel_size), bias_apart=chain.layers[0].bias),
    training="where a group of channels ends within the sub-pixels of one output, zeros stand between groups, and an "
    "optimiser step makes them weights of their own",
)
