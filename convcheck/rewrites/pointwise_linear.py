"""A convolution with a kernel of one tap is one Linear on the channels of every stride-th position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.preconditions import is_padded, ungrouped, written_padding
from convcheck.rewriting.rewrite import Refusal, Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def pointwise(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    if set(conv.kernel_size) != {1}:
        yield Refusal("kernel_size", conv.kernel_size, "needs to be 1", "a Linear sees one position at a time")
    if is_padded(conv):
        yield Refusal("padding", written_padding(conv), "needs to be 0", "it makes outputs that see no input")


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    strided: Any = (..., *(slice(None, None, step) for step in conv.stride))
    channels_last = spell("... i {space} -> ... {space} i", conv.dims)
    channels_first = spell("... {space} o -> ... o {space}", conv.dims)

    class PointwiseLinear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(conv.in_channels, conv.out_channels, bias=conv.bias)

        def forward(self, x: Tensor) -> Tensor:
            tokens = rearrange(x[strided], channels_last)
            y: Tensor = rearrange(self.project(tokens), channels_first)
            return y

    return PointwiseLinear()


REWRITE = Rewrite(
    claim=__doc__,
    summary="Linear on the channels of every stride-th position",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="kernel 1, no padding, groups 1; any stride",
    formula="y[o, n] = b[o] + sum over i of W[o, i] * x[i, s*n]",
    derivation=(
        "With the one tap k = 0 and p = 0, the layer reads x[i, s*n] and nothing else of its neighbours. That is a "
        "Linear on the channels of position s*n."
    ),
    source="M. Lin et al., Network In Network, 2013, section 3.2",
    families=(Conv,),
    example="Conv2d(64, 128, kernel_size=1, stride=2)",
    preconditions=(pointwise, ungrouped),
    candidate=candidate,
    # Where the kernel is 1, `(i {k})` is the input channels alone.
    weights={"project.weight": ("weight", "o i {k} -> o (i {k})"), "project.bias": ("bias", "o -> o")},
    # torch adds the bias of a Linear apart where the tokens are not contiguous, as they are with channels first.
    roundings=lambda conv: Roundings(bias_apart=conv.bias),
)
