"""A strided convolution is space-to-depth by its stride, then a convolution of stride 1."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv
from convcheck.rewriting.preconditions import no_holes, ungrouped
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.steps import EinopsStep, ZeroPad
from convcheck.sizes.patterns import Shape, parse, spell

if TYPE_CHECKING:
    from torch import nn


def refusals(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    if set(conv.stride) == {1}:
        yield Refusal(
            "stride", conv.stride, "there is nothing to rewrite: its blocks are single positions", vacuous=True
        )
    yield from no_holes(conv)
    yield from ungrouped(conv)


def blocks(conv: Conv) -> Shape:
    """Return how many blocks of one stride the kernel reaches over, along every axis."""
    return tuple(math.ceil(k / s) for k, s in zip(conv.kernel_size, conv.stride, strict=True))


def phases(conv: Conv) -> dict[str, int]:
    """Return the stride along every axis, under the names that the kernel's axes bear in patterns."""
    return dict(zip(conv.kernel_axes(), conv.stride, strict=True))


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from einops.layers.torch import Rearrange as Layer
    from torch import nn

    from convcheck.modules.parts import PadToBlocks

    stride1: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    channels = conv.in_channels * math.prod(conv.stride)
    return nn.Sequential(
        OrderedDict(
            # The last window may reach into a block that the input only begins.
            pad=PadToBlocks(conv.pads, conv.kernel_size, conv.stride, conv.padding_mode),
            space_to_depth=Layer(spell("... i {blocks} -> ... (i {k}) {space}", conv.dims), **phases(conv)),
            conv=stride1(channels, conv.out_channels, blocks(conv), bias=conv.bias),
        )
    )


def weights(conv: Conv, shape: Shape) -> Mapping[str, Recipe]:
    reach = zip(blocks(conv), conv.stride, conv.kernel_size, strict=True)
    zeros = ZeroPad(tuple((0, count * step - taps) for count, step, taps in reach))
    to_depth = parse(spell("o i {blocks} -> o (i {k}) {space}", conv.dims))
    return {"conv.weight": ("weight", zeros, EinopsStep(to_depth, phases(conv))), "conv.bias": ("bias", "o -> o")}


def macs(conv: Conv, shape: Shape) -> int:
    return conv.macs(shape) // math.prod(conv.kernel_size) * math.prod(blocks(conv)) * math.prod(conv.stride)


REWRITE = Rewrite(
    claim=__doc__,
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="stride above 1 along some axis, groups 1, dilation 1 along axes where the kernel is longer than 1",
    formula="y[o, n] = b[o] + sum over i, t, r of W[o, i, s*t + r] * x[i, s*(n + t) + r - p], W zero beyond the kernel",
    source="P. P. Vaidyanathan, Multirate Systems and Filter Banks, 1993, section 4.3 (the polyphase representation)",
    families=(Conv,),
    example="Conv2d(3, 64, kernel_size=7, stride=2, padding=3)",
    refusals=refusals,
    candidate=candidate,
    weights=weights,
    macs=macs,
    training="the kernel is filled up with zeros to a multiple of the stride; an optimiser step makes them weights of "
    "their own, and the candidate becomes a larger convolution",
)
