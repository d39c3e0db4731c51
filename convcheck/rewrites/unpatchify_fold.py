"""Unpatchify is one Linear that makes a patch of every token, then overlap-add; channels stay last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Roundings, Unpatchify
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(unpatchify: Unpatchify, shape: Shape) -> nn.Module:
    import torch
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import fold, pad

    dims, patch, steps, outputs = unpatchify.dims, unpatchify.patch, unpatchify.strides, unpatchify.out_features
    taps = spell("... {space} (o {k}) -> ... o {space} {k}", dims)
    blocks = [math.ceil(p / step) for p, step in zip(patch, steps, strict=True)]
    # Zeros fill a patch up to whole strides.
    filled = [(0, count * step - p) for count, step, p in zip(blocks, steps, patch, strict=True)]
    grid, space = shape[-dims - 1 : -1], unpatchify.output_shape(shape)[-dims - 1 : -1]
    sizes = zip(grid, blocks, steps, space, strict=True)
    ends = [(0, length - (n + count - 1) * step) for n, count, step, length in sizes]

    class UnpatchifyFold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(unpatchify.in_features, outputs * math.prod(patch), bias=False)
            self.bias = nn.Parameter(torch.empty(outputs)) if unpatchify.bias else None

        def forward(self, x: Tensor) -> Tensor:
            patches = rearrange(self.project(x), taps, **unpatchify.axis_sizes())
            patches = pad(patches, filled)
            y = fold(patches, steps, blocks)
            # Up to the size that is asked for; a negative pad is a crop.
            y = pad(y, ends)
            y = y.movedim(-dims - 1, -1)
            # The bias comes once, and alone to positions that no patch covers.
            return y if self.bias is None else y + self.bias

    return UnpatchifyFold()


def filled_taps(unpatchify: Unpatchify) -> int:
    """Return how many taps a patch has once zeros fill it up to whole strides."""
    return math.prod(math.ceil(p / s) * s for p, s in zip(unpatchify.patch, unpatchify.strides, strict=True))


def slowness(unpatchify: Unpatchify, shape: Shape) -> float:
    # Of few features, adding patches up takes longer than making them.
    return 1 + 100 * filled_taps(unpatchify) / math.prod(unpatchify.patch) / unpatchify.in_features


def intermediates(unpatchify: Unpatchify, shape: Shape) -> int:
    """Count the patches, filled up to whole strides."""
    return math.prod(shape[:-1]) * unpatchify.out_features * filled_taps(unpatchify) * 3 // 2


REWRITE = Rewrite(
    claim=__doc__,
    summary="Linear makes a patch of every token, overlap-add",
    reference="Unpatchify",
    holds_when="always",
    formula="y[m, o] = b[o] + sum over n, k with s*n + k = m of (sum over i of W[(o k), i] * x[n, i])",
    derivation=(
        "The Linear makes the patch of token n: its entry (o k) is the sum over i of W[(o k), i] * x[n, i]. "
        "Overlap-add adds it at s*n + k, as Unpatchify does."
    ),
    source="torch.nn.Fold, which sums overlapping blocks, in any number of dimensions",
    families=(Unpatchify,),
    example="Unpatchify(64, 3, data_dim=2, patch_size=8, stride=4, output_spatial_shape=(18, 16))",
    candidate=candidate,
    weights={"project.weight": ("conv.weight", "i o {k} -> (o {k}) i"), "bias": ("conv.bias", "o -> o")},
    intermediates=intermediates,
    slowness=slowness,
    # Every tap's product is stored, and so is every sum of taps that meet in one output.
    roundings=lambda unpatchify: Roundings(unpatchify.roundings().sums, bias_apart=unpatchify.bias),
)
