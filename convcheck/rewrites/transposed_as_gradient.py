"""A transposed convolution is the gradient of the matching convolution with respect to its input, same weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import ConvTranspose, Unpatchify
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def transposed(layer: ConvTranspose | Unpatchify, shape: Shape) -> ConvTranspose:
    """Return the transposed convolution that the layer is; Unpatchify is one with channels last."""
    return layer.conv(shape) if isinstance(layer, Unpatchify) else layer


def surplus(conv: ConvTranspose) -> Shape:
    """Return, along every axis, by how many outputs the convolution has more than the transposed one has inputs.

    There are none unless output_padding reaches a whole stride, as it may along dilated axes.
    """
    return tuple(more // step for more, step in zip(conv.output_padding, conv.stride, strict=True))


def candidate(layer: ConvTranspose | Unpatchify, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn
    from torch.nn import grad

    from convcheck.modules.parts import pad

    conv = transposed(layer, shape)
    dims, groups, channels_last = conv.dims, conv.groups, isinstance(layer, Unpatchify)
    pull_back: Any = {1: grad.conv1d_input, 2: grad.conv2d_input, 3: grad.conv3d_input}[dims]
    # One input position's outputs along every axis; each further one adds a stride.
    first = [spread.outputs(1) for spread in conv.spreads]
    matching = {name: getattr(conv, name) for name in ("stride", "padding", "dilation", "groups")}

    class ConvInputGradient(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # The convolution that goes the other way has a weight of this very shape.
            self.weight = nn.Parameter(torch.empty(*conv.parameters()["weight"]))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            if channels_last:
                x = x.movedim(-1, -dims - 1)
            # How long the convolution's input is: this is what output_padding tells apart.
            lengths = [s * (n - 1) + one for n, s, one in zip(x.shape[-dims:], conv.stride, first, strict=True)]
            cotangent = pad(x if x.dim() == dims + 2 else x[None], [(0, more) for more in surplus(conv)])
            sizes = (cotangent.shape[0], self.weight.shape[1] * groups, *lengths)
            y: Tensor = pull_back(sizes, self.weight, cotangent, **matching)
            if self.bias is not None:
                y = y + self.bias.reshape(-1, *[1] * dims)
            y = y if x.dim() == dims + 2 else y[0]
            return y.movedim(-dims - 1, -1) if channels_last else y

    return ConvInputGradient()


def weights(layer: ConvTranspose | Unpatchify, shape: Shape) -> Mapping[str, Recipe]:
    prefix = "conv." if isinstance(layer, Unpatchify) else ""
    return {"weight": (f"{prefix}weight", "i o {k} -> i o {k}"), "bias": (f"{prefix}bias", "o -> o")}


def macs(layer: ConvTranspose | Unpatchify, shape: Shape) -> int:
    layer.output_shape(shape)
    conv = transposed(layer, shape)
    first = layer.channels_first(shape) if isinstance(layer, Unpatchify) else shape
    positions = math.prod(n + more for n, more in zip(first[-conv.dims :], surplus(conv), strict=True))
    return math.prod(first[: -conv.dims - 1]) * positions * math.prod(conv.parameters()["weight"])


REWRITE = Rewrite(
    claim=__doc__,
    summary="the gradient of the convolution of the same weight",
    reference="ConvTranspose1d, ConvTranspose2d, ConvTranspose3d or Unpatchify",
    holds_when="always",
    formula="<A z, x> == <z, A^T x>, with A z the matching convolution of z: A^T x is the gradient of the left in z",
    derivation=(
        "A is linear, so the gradient of <A z, x> in z is A^T x. Both sum weights times entries over the same pairs of "
        "positions, m = s*n + d*k - p: a convolution from m into n, and its transpose from n into m."
    ),
    source="torch.nn.ConvTranspose2d: it can be seen as the gradient of Conv2d with respect to its input",
    families=(ConvTranspose, Unpatchify),
    example="ConvTranspose2d(4, 6, kernel_size=3, stride=2, padding=1, output_padding=1, groups=2)",
    candidate=candidate,
    weights=weights,
    macs=macs,
    # As in torch's own transposed kernel, every tap's product and every sum of taps may be stored.
    roundings=lambda layer: layer.roundings(),
)
