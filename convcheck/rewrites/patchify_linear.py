"""A convolution whose kernel equals its stride is one Linear applied to flattened patches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.preconditions import ungrouped, windows_tile
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: Conv, shape: Shape, order: str) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import crop

    features = conv.in_channels * math.prod(conv.kernel_size)
    patches = spell("... i {blocks} -> ... {space} ", conv.dims) + f"({order})"
    channels_first = spell("... {space} o -> ... o {space}", conv.dims)

    class PatchifyLinear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(features, conv.out_channels, bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            # What fills no window is dropped, as a convolution does.
            x = crop(x, conv.kernel_size)
            tokens: Tensor = self.project(rearrange(x, patches, **conv.kernel_axes()))
            return rearrange(tokens, channels_first)

    return PatchifyLinear()


REWRITE = Rewrite(
    claim=__doc__,
    summary="Linear on flattened patches",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="kernel = stride, no padding, groups 1, dilation 1 along axes where the kernel is longer than 1",
    formula="y[o, n] = b[o] + sum over i, k of W[o, (i k)] * x[i, s*n + k], with s = kernel: no input is read twice",
    derivation=(
        "With s the kernel, d = 1 and p = 0, the layer reads x[i, s*n + k]. That is feature (i k) of patch n, and a "
        "Linear sums over features."
    ),
    source="A. Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, section 3.1 (the patch projection)",
    families=(Conv,),
    example="Conv2d(3, 64, kernel_size=16, stride=16)",
    preconditions=(windows_tile, ungrouped),
    candidate=candidate,
    weights={"project.weight": ("weight", "o i {k} -> o ({order})"), "project.bias": ("bias", "o -> o")},
    # torch adds the bias of a Linear apart where the tokens are not contiguous, as after a 1-wide patch.
    roundings=lambda conv: Roundings(bias_apart=conv.bias),
    order="i {k}",
)
