"""A dilated convolution is a dense convolution with zeros between the taps of its kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv
from convcheck.rewriting.kernels import dilated_size
from convcheck.rewriting.preconditions import dilated
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from torch import nn

    dense: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    options = {name: getattr(conv, name) for name in ("stride", "padding", "groups", "bias", "padding_mode")}
    module: nn.Module = dense(conv.in_channels, conv.out_channels, dilated_size(conv), **options)
    return module


def weights(conv: Conv, shape: Shape) -> dict[str, Recipe]:
    factors = zip(conv.kernel_axes(), conv.dilation, strict=True)
    spread = "".join(f" | dilate {axis} {factor}" for axis, factor in factors if factor > 1)
    return {"weight": ("weight", "o i {k} -> o i {k}" + spread), "bias": ("bias", "o -> o")}


def macs(conv: Conv, shape: Shape) -> int:
    return conv.macs(shape) // math.prod(conv.kernel_size) * math.prod(dilated_size(conv))


REWRITE = Rewrite(
    claim=__doc__,
    summary="dense convolution with zeros between the taps",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="dilation > 1 along some axis",
    formula="y[o, n] = b[o] + sum over i, j of V[o, i, j] * x[i, s*n + j - p], with V[o, i, d*k] = W[o, i, k] and "
    "zeros elsewhere",
    derivation="V has tap k of W at d*k. Its other taps are zeros, and add 0.",
    source="L.-C. Chen et al., DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, "
    "and Fully Connected CRFs, 2016, section 3.1 (the first way)",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, padding=2, dilation=2)",
    preconditions=(dilated,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    # As im2col writes the dense convolution out.
    intermediates=lambda conv, shape: macs(conv, shape) // conv.out_channels,
    training="the kernel holds zeros between its taps; an optimiser step makes them weights of their own, and the "
    "candidate becomes a larger convolution",
)
