"""A convolution is im2col, then one matrix product a group."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    import torch
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import pad, windows

    dims, groups = conv.dims, conv.groups
    features = conv.in_channels // groups * math.prod(conv.kernel_size)
    columns = spell("... (g i) {space} {k} -> ... g (i {k}) ({space})", dims)

    class UnfoldMatmul(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(groups, conv.out_channels // groups, features))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            x = windows(x, conv.kernel_size, conv.stride, conv.dilation)
            outputs = x.shape[-2 * dims : -dims]
            y = self.weight @ rearrange(x, columns, g=groups)
            y = rearrange(y, "... g o n -> ... (g o) n")
            if self.bias is not None:
                y = y + self.bias[:, None]
            return y.reshape(*y.shape[:-1], *outputs)

    return UnfoldMatmul()


def intermediates(conv: Conv, shape: Shape) -> int:
    """Count the columns and their gradient, and the gradient of the weight by every image; of groups a copy as well."""
    columns = conv.macs(shape) * conv.groups // conv.out_channels
    images, weight = math.prod(shape[: -conv.dims - 1]), math.prod(conv.parameters()["weight"])
    return 2 * columns + images * weight * (1 + (conv.groups > 1))


REWRITE = Rewrite(
    claim=__doc__,
    summary="im2col, then a matrix product",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="always",
    formula="Y[g] = W[g] X[g] + b, with X[(i k), n] = x[i, s*n + d*k - p]",
    derivation=(
        "Column n of X holds all that output n reads, so the layer's sum over i and k is a row of W times that column."
    ),
    source="K. Chellapilla et al., High Performance Convolutional Neural Networks for Document Processing, 2006",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, stride=2, padding=1, groups=2)",
    candidate=candidate,
    intermediates=intermediates,
    weights={"weight": ("weight", "(g o) i {k} -> g o (i {k})"), "bias": ("bias", "o -> o")},
    roundings=lambda conv: Roundings(bias_apart=conv.bias),
)
