"""A convolution is a loop over output positions, each of which weighs and sums the inputs under the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.rewrite import Refusal, Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn

MOST_POSITIONS = 1024

GRAPH = 1200
"""So many values take as much memory as what autograd keeps of the steps at one position, as measured."""


def few_positions(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    output = conv.output_shape(shape)
    positions = math.prod(output) // conv.out_channels
    if positions > MOST_POSITIONS:
        need, why = f"needs to be {MOST_POSITIONS:,} at most, over all images", "a loop takes them one by one"
        yield Refusal("size", f"{positions:,} output positions", need, why, vacuous=True)


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from itertools import product
    from typing import Any

    import torch
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import pad

    dims, groups = conv.dims, conv.groups
    outputs = conv.output_shape(shape)[-dims:]

    class Loops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(conv.parameters()["weight"]))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            if x.dim() == dims + 1:
                return self.image(x)
            return torch.stack([self.image(image) for image in x])

        def image(self, x: Tensor) -> Tensor:
            y = [self.output(x, position) for position in product(*map(range, outputs))]
            return torch.stack(y, dim=-1).reshape(conv.out_channels, *outputs)

        def output(self, x: Tensor, position: tuple[int, ...]) -> Tensor:
            """Return all output channels at one position, `[o]`."""
            axes = zip(position, conv.kernel_size, conv.stride, conv.dilation, strict=True)
            under: Any = (..., *(slice(s * n, s * n + d * (k - 1) + 1, d) for n, k, s, d in axes))
            inputs = rearrange(x[under], spell("(g i) {k} -> g (i {k})", dims), g=groups)
            weights = rearrange(self.weight, spell("(g o) i {k} -> g o (i {k})", dims), g=groups)
            y = torch.einsum("goj,gj->go", weights, inputs).flatten()
            return y if self.bias is None else y + self.bias

    return Loops()


def intermediates(conv: Conv, shape: Shape) -> int:
    """Count the inputs under the kernel at every position, and what the graph of a position takes."""
    output = conv.output_shape(shape)
    positions = math.prod(output) // conv.out_channels
    return positions * (conv.in_channels * math.prod(conv.kernel_size) + GRAPH)


REWRITE = Rewrite(
    claim=__doc__,
    summary="a loop over output positions",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when=f"always, up to {MOST_POSITIONS:,} output positions",
    formula="for every n: y[o, n] = b[o] + sum over i, k of W[o, i, k] * x[i, s*n + d*k - p]",
    derivation=(
        "This is the layer's definition: for every n the inputs under the kernel are cut out, weighed and summed."
    ),
    source="torch.nn.Conv2d, whose definition this is, in any number of dimensions",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, stride=2, padding=1, groups=2)",
    preconditions=(few_positions,),
    candidate=candidate,
    intermediates=intermediates,
    weights={"weight": ("weight", "o i {k} -> o i {k}"), "bias": ("bias", "o -> o")},
    relative_cost=25,
    # Backwards, every position has a gradient of the whole weight.
    slowness=lambda *_: 60,
    roundings=lambda conv: Roundings(bias_apart=conv.bias),
)
