"""A convolution with padding is F.pad, then the convolution without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv
from convcheck.rewriting.preconditions import is_padded, written_padding
from convcheck.rewriting.rewrite import Refusal, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def padded(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    if not is_padded(conv):
        yield Refusal(
            "padding", written_padding(conv), "there is nothing to rewrite", "no axis is padded", vacuous=True
        )


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from torch import Tensor, nn
    from torch.nn import functional

    # F.pad wants (before, after) of the last axis first; an odd 'same' has one more after than before.
    widths = [width for pads in reversed(conv.pads) for width in pads]
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    unpadded: dict[str, Any] = {**conv.arguments(), "padding": 0, "padding_mode": "zeros"}

    class ExplicitPad(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims](**unpadded)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv(functional.pad(x, widths, mode=mode))
            return y

    return ExplicitPad()


REWRITE = Rewrite(
    claim=__doc__,
    summary="F.pad, then the convolution without padding",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="padding is not 0: numbers or 'same', and any padding_mode",
    formula="y[o, n] = b[o] + sum over i, k of W[o, i, k] * X[i, s*n + d*k], with X[i, m] = x[i, m - p] padded",
    derivation=(
        "X holds x at m - p inside, and what the mode says outside. That is what the layer reads at s*n + d*k - p."
    ),
    source="torch.nn.Conv2d, arguments padding and padding_mode; torch.nn.functional.pad",
    families=(Conv,),
    example="Conv2d(3, 8, kernel_size=4, padding='same', padding_mode='reflect')",
    preconditions=(padded,),
    candidate=candidate,
    weights={"conv.weight": ("weight", "o i {k} -> o i {k}"), "conv.bias": ("bias", "o -> o")},
)
