"""Patchify is its windows, each flattened to a token, then one Linear; channels stay last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Patchify, Roundings
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(patchify: Patchify, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    dims = patchify.dims
    axes = list(zip(patchify.patch, patchify.strides, strict=True))
    tokens = spell("... {space} i {k} -> ... {space} (i {k})", dims)

    class PatchifyUnfold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            features = patchify.in_features * math.prod(patchify.patch)
            self.project = nn.Linear(features, patchify.out_features, bias=patchify.bias)

        def forward(self, x: Tensor) -> Tensor:
            # A window along each spatial axis in turn, which always stands at the same place from the end.
            for patch, step in axes:
                x = x.unfold(-dims - 1, patch, step)
            y: Tensor = self.project(rearrange(x, tokens))
            return y

    return PatchifyUnfold()


REWRITE = Rewrite(
    claim=__doc__,
    summary="windows as tokens, then Linear, channels last",
    reference="Patchify",
    holds_when="always",
    formula="y[n, o] = b[o] + sum over i, k of W[o, (i k)] * x[s*n + k, i]",
    derivation=(
        "Window n holds x[s*n + k, i] for all k and i. Flattened it is a token, and the Linear sums over its features."
    ),
    source="torch.Tensor.unfold; A. Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, section 3.1",
    families=(Patchify,),
    example="Patchify(3, 64, data_dim=2, patch_size=8, stride=4)",
    candidate=candidate,
    weights={"project.weight": ("conv.weight", "o i {k} -> o (i {k})"), "project.bias": ("conv.bias", "o -> o")},
    roundings=lambda patchify: Roundings(bias_apart=patchify.bias),
)
