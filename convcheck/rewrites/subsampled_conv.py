"""A strided convolution is every s-th output of the same convolution with stride 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv
from convcheck.rewriting.rewrite import Refusal, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def strided(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    if set(conv.stride) == {1}:
        yield Refusal("stride", conv.stride, "there is nothing to rewrite", "no output is left out", vacuous=True)


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from torch import Tensor, nn

    from convcheck.modules.parts import subsample

    dense: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    arguments = {**conv.arguments(), "stride": 1}

    class SubsampledConv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = dense(**arguments)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv(x)
            return subsample(y, conv.stride)

    return SubsampledConv()


def macs(conv: Conv, shape: Shape) -> int:
    return replace(conv, stride=(1,) * conv.dims).macs(shape)


def intermediates(conv: Conv, shape: Shape) -> int:
    """Count what im2col writes out, and its outputs with a gradient."""
    dense = replace(conv, stride=(1,) * conv.dims)
    return dense.im2col_size(shape) + 2 * math.prod(dense.output_shape(shape))


REWRITE = Rewrite(
    claim=__doc__,
    summary="every s-th output of the stride-1 convolution",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="stride above 1 along some axis",
    formula="y[o, n] = z[o, s*n], with z[o, m] = b[o] + sum over i, k of W[o, i, k] * x[i, m + d*k - p]",
    derivation="The stride stands beside n alone: output n of the layer is output s*n of the same layer with stride 1.",
    source="torch.nn.Conv2d, whose stride is the step from window to window, in any number of dimensions",
    families=(Conv,),
    example="Conv2d(3, 8, kernel_size=3, stride=2, padding=1)",
    preconditions=(strided,),
    candidate=candidate,
    weights={"conv.weight": ("weight", "o i {k} -> o i {k}"), "conv.bias": ("bias", "o -> o")},
    macs=macs,
    intermediates=intermediates,
)
