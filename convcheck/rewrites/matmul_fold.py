"""A transposed convolution is one matrix product a group, then fold: the overlapping patches are added up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import ConvTranspose, Roundings
from convcheck.rewriting.kernels import dilated_size
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def strides_spanned(conv: ConvTranspose) -> Shape:
    """Return how many strides the dilated kernel spans along every axis."""
    return tuple(math.ceil(reach / step) for reach, step in zip(dilated_size(conv), conv.stride, strict=True))


def candidate(conv: ConvTranspose, shape: Shape) -> nn.Module:
    import torch
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import fold, pad, zeros_between

    dims, groups = conv.dims, conv.groups
    features = conv.out_channels // groups * math.prod(conv.kernel_size)
    patches = spell("... g (o {k}) n -> ... (g o) n {k}", dims)
    blocks = strides_spanned(conv)
    axes = list(zip(blocks, conv.stride, dilated_size(conv), strict=True))
    # Zeros fill the kernel up to whole strides.
    filled = [(0, count * step - reach) for count, step, reach in axes]
    ends = zip(filled, conv.padding, conv.output_padding, strict=True)
    crops = [(-cut, more - cut - zeros) for (_, zeros), cut, more in ends]

    class MatmulFold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(groups, features, conv.in_channels // groups))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            columns = self.weight @ rearrange(x.flatten(-dims), "... (g i) n -> ... g i n", g=groups)
            taps = rearrange(columns, patches, **conv.kernel_axes())
            taps = torch.unflatten(taps, -dims - 1, x.shape[-dims:])
            taps = zeros_between(taps, conv.dilation)
            taps = pad(taps, filled)
            y = fold(taps, conv.stride, blocks)
            # A negative pad is a crop.
            y = pad(y, crops)
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

    return MatmulFold()


def filled_taps(conv: ConvTranspose) -> int:
    """Return how many taps a kernel has once zeros fill it up to whole strides."""
    return math.prod(count * step for count, step in zip(strides_spanned(conv), conv.stride, strict=True))


def slowness(conv: ConvTranspose, shape: Shape) -> float:
    # Of few channels, adding columns up takes longer than making them.
    return 1 + 100 * filled_taps(conv) / math.prod(conv.kernel_size) * conv.groups / conv.in_channels


def intermediates(conv: ConvTranspose, shape: Shape) -> int:
    """Count the columns, filled up to whole strides, and the weight's gradient by every image; of groups a copy of the
    weight as well.
    """
    columns = math.prod(shape) // conv.in_channels * conv.out_channels * filled_taps(conv)
    images, weight = math.prod(shape[: -conv.dims - 1]), math.prod(conv.parameters()["weight"])
    return columns * 3 // 2 + images * weight * (1 + (conv.groups > 1))


REWRITE = Rewrite(
    claim=__doc__,
    summary="matrix product, then fold, which adds overlaps up",
    reference="ConvTranspose1d, ConvTranspose2d or ConvTranspose3d",
    holds_when="always",
    formula="y[o, m] = b[o] + sum over n, k with s*n + d*k - p = m of C[(o k), n], with C[g] = W[g] X[g]",
    derivation=(
        "C[(o k), n] is the sum over i of W[i, o, k] * x[i, n]. Fold adds it at s*n + d*k - p, which is where the "
        "layer adds it."
    ),
    source="torch.nn.Fold, which sums overlapping blocks, in any number of dimensions",
    families=(ConvTranspose,),
    example="ConvTranspose2d(4, 6, kernel_size=3, stride=2, padding=1, output_padding=1, groups=2)",
    candidate=candidate,
    intermediates=intermediates,
    slowness=slowness,
    weights={"weight": ("weight", "(g i) o {k} -> g (o {k}) i"), "bias": ("bias", "o -> o")},
    # Every tap's product is stored, and so is every sum of taps that meet in one output.
    roundings=lambda conv: Roundings(math.prod(spread.overlap() for spread in conv.spreads), bias_apart=conv.bias),
)
