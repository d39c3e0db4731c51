"""A transposed convolution is one matrix product a group, then fold: the overlapping patches are added up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convcheck.layers import ConvTranspose, Roundings
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: ConvTranspose, shape: Shape) -> nn.Module:
    from itertools import product

    import torch
    from einops import rearrange
    from torch import Tensor, nn

    dims, groups, kernel = conv.dims, conv.groups, conv.kernel_size
    features = conv.out_channels // groups * math.prod(kernel)
    patches = spell("... g (o {k}) n -> {k} ... (g o) n", dims)

    class MatmulFold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(groups, features, conv.in_channels // groups))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            space = x.shape[-dims:]
            columns = self.weight @ rearrange(x.flatten(-dims), "... (g i) n -> ... g i n", g=groups)
            taps = rearrange(columns, patches, **conv.kernel_axes())
            taps = taps.reshape(*taps.shape[:-1], *space)
            # Fold: tap k of every patch is added to each stride-th position, counted from dilation * k.
            sizes = zip(space, kernel, conv.stride, conv.dilation, conv.output_padding, strict=True)
            lengths = [s * (n - 1) + d * (k - 1) + 1 + more for n, k, s, d, more in sizes]
            y = x.new_zeros(*taps.shape[dims:-dims], *lengths)
            for tap in product(*map(range, kernel)):
                starts = [d * k for d, k in zip(conv.dilation, tap, strict=True)]
                axes = zip(starts, conv.stride, space, strict=True)
                every: Any = (..., *(slice(start, start + s * (n - 1) + 1, s) for start, s, n in axes))
                y[every] += taps[tap]
            for axis, cut in enumerate(conv.padding, start=-dims):
                y = y.narrow(axis, cut, y.shape[axis] - 2 * cut)
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

    return MatmulFold()


def intermediates(conv: ConvTranspose, shape: Shape) -> int:
    """Count the columns, by channel and by tap, and the weight's gradient by every image; of groups a
    copy of the weight as well.
    """
    columns = conv.macs(shape) * conv.groups // conv.in_channels
    images, weight = math.prod(shape[: -conv.dims - 1]), math.prod(conv.parameters()["weight"])
    return columns * 5 // 2 + images * weight * (1 + (conv.groups > 1))


REWRITE = Rewrite(
    claim=__doc__,
    summary="matrix product, then fold, which adds overlaps up",
    reference="ConvTranspose1d, ConvTranspose2d or ConvTranspose3d",
    holds_when="always",
    formula="y[o, m] = b[o] + sum over n, k with s*n + d*k - p = m of C[(o k), n], with C[g] = W[g] X[g]",
    source="torch.nn.Fold, which sums overlapping blocks, in any number of dimensions",
    families=(ConvTranspose,),
    example="ConvTranspose2d(4, 6, kernel_size=3, stride=2, padding=1, output_padding=1, groups=2)",
    candidate=candidate,
    intermediates=intermediates,
    # Backwards, a gradient of the whole output is copied for every tap.
    slowness=lambda conv, _shape: 1 + 150 * math.prod(conv.stride) * conv.groups / conv.in_channels,
    weights={"weight": ("weight", "(g i) o {k} -> g (o {k}) i"), "bias": ("bias", "o -> o")},
    # Every tap's product is stored, and so is every sum of taps that meet in one output.
    roundings=lambda conv: Roundings(math.prod(spread.overlap() for spread in conv.spreads), bias_apart=conv.bias),
)
