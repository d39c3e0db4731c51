"""A transposed convolution whose kernel equals its stride is one Linear on tokens, each laid out as a patch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import ConvTranspose, Roundings
from convcheck.rewriting.preconditions import spreads_tile, ungrouped
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: ConvTranspose, shape: Shape, order: str) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    features = conv.out_channels * math.prod(conv.kernel_size)
    channels_last = spell("... i {space} -> ... {space} i", conv.dims)
    patches = spell("... {space} ", conv.dims) + f"({order})" + spell(" -> ... o {blocks}", conv.dims)

    class LinearUnpatchify(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(conv.in_channels, features, bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            tokens: Tensor = self.project(rearrange(x, channels_last))
            return rearrange(tokens, patches, **conv.kernel_axes())

    return LinearUnpatchify()


REWRITE = Rewrite(
    claim=__doc__,
    summary="Linear on tokens, each laid out as a patch",
    reference="ConvTranspose1d, ConvTranspose2d or ConvTranspose3d",
    holds_when="kernel = stride, no padding, no output_padding, groups 1, dilation 1 along axes where the kernel is "
    "longer than 1",
    formula="y[o, s*n + k] = b[o] + sum over i of W[(o k), i] * x[i, n], with s = kernel: no output is written twice",
    derivation=(
        "With s the kernel, d = 1 and p = 0, an output position is s*n + k for one input position n and one tap k "
        "only, so the layer's sum over them has one term. Feature (o k) of token n holds it; token n is the patch that "
        "begins at s*n."
    ),
    source="the heads of MAE (K. He et al., 2021) and DiT (W. Peebles and S. Xie, 2022), which use the order kh kw o",
    families=(ConvTranspose,),
    example="ConvTranspose2d(64, 3, kernel_size=16, stride=16)",
    preconditions=(spreads_tile, ungrouped),
    candidate=candidate,
    weights={
        "project.weight": ("weight", "i o {k} -> ({order}) i"),
        "project.bias": ("bias", "o -> ({order})"),
    },
    # torch adds the bias of a Linear apart where the tokens are not contiguous, as after a 1-wide patch.
    roundings=lambda conv: Roundings(bias_apart=conv.bias),
    order="o {k}",
    training="the candidate has one bias for every sub-pixel of an output channel; they start as copies, and an "
    "optimiser step lets them drift apart, after which there is no way back",
)
