"""A convolution whose kernel covers its whole padded input is Flatten, then Linear."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.preconditions import ungrouped
from convcheck.rewriting.rewrite import Refusal, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def covers_input(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    # A kernel of this many taps has room for no dilation, and none for a second window.
    padded = tuple(sum(pads) + length for pads, length in zip(conv.pads, shape[-conv.dims :], strict=True))
    if conv.kernel_size != padded:
        yield Refusal(
            "kernel_size", conv.kernel_size, f"needs to be {padded}", "one tap for each padded input position"
        )


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from torch import Tensor, nn

    from convcheck.modules.parts import pad

    ones = (1,) * conv.dims
    features = conv.in_channels * math.prod(conv.kernel_size)

    class FlattenLinear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(features, conv.out_channels, bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            y: Tensor = self.project(x.flatten(-conv.dims - 1))
            return y.reshape(*y.shape, *ones)

    return FlattenLinear()


REWRITE = Rewrite(
    claim=__doc__,
    summary="Flatten, then Linear",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="the kernel has one tap for each position of the padded input, along every axis; groups 1",
    formula="y[o] = b[o] + sum over i, k of W[o, (i k)] * x[i, k - p]",
    derivation=(
        "There are as many taps as positions of the padded input, so there is one output position, and the layer's sum "
        "over i and k is one over the whole flattened input."
    ),
    source="J. Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015, section 3.1",
    families=(Conv,),
    example="Conv2d(64, 100, kernel_size=7)",
    example_inputs=((1, 64, 7, 7),),
    preconditions=(covers_input, ungrouped),
    candidate=candidate,
    weights={"project.weight": ("weight", "o i {k} -> o (i {k})"), "project.bias": ("bias", "o -> o")},
    # torch adds the bias of a Linear apart where the input is a single vector, as without a batch.
    roundings=lambda conv: Roundings(bias_apart=conv.bias),
)
