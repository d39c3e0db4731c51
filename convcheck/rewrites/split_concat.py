"""A grouped convolution, transposed or not, is one convolution a group on its own channels, concatenated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv, ConvTranspose
from convcheck.rewriting.preconditions import grouped
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(layer: Conv | ConvTranspose, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from convcheck.modules.parts import pad

    dims, groups = layer.dims, layer.groups
    rows, *rest = layer.parameters()["weight"]
    transposed = isinstance(layer, ConvTranspose)
    convolve = getattr(functional, f"conv_transpose{dims}d" if transposed else f"conv{dims}d")
    # The padding of a convolution may be of any mode, and is done apart.
    names = ("stride", "dilation", "padding", "output_padding") if transposed else ("stride", "dilation")
    settings: dict[str, Any] = {name: getattr(layer, name) for name in names}

    class SplitConcat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(groups, rows // groups, *rest))
            self.bias = nn.Parameter(torch.empty(groups, layer.out_channels // groups)) if layer.bias else None

        def forward(self, x: Tensor) -> Tensor:
            if isinstance(layer, Conv):
                x = pad(x, layer.pads, layer.padding_mode)
            channels = -dims - 1
            biases = [None] * groups if self.bias is None else self.bias
            inputs = torch.unflatten(x, channels, (groups, -1)).unbind(channels - 1)
            parts = zip(inputs, self.weight, biases, strict=True)
            return torch.cat([convolve(part, weight, bias, **settings) for part, weight, bias in parts], channels)

    return SplitConcat()


def weights(layer: Conv | ConvTranspose, shape: Shape) -> Mapping[str, Recipe]:
    transposed = isinstance(layer, ConvTranspose)
    stacked = "(g i) o {k} -> g i o {k}" if transposed else "(g o) i {k} -> g o i {k}"
    return {"weight": ("weight", stacked), "bias": ("bias", "(g o) -> g o")}


REWRITE = Rewrite(
    claim=__doc__,
    summary="one convolution a group, concatenated",
    reference="Conv1d, Conv2d or Conv3d, transposed or not",
    holds_when="groups > 1",
    formula="y = concat over g of conv(x[g], W[g]) + b[g], along the channels",
    derivation="Outputs of a group read inputs of that group alone, so every group is a convolution by itself.",
    source="torch.nn.Conv2d, argument groups: with two, conv layers side by side on half the channels, concatenated",
    families=(Conv, ConvTranspose),
    example="Conv2d(4, 8, kernel_size=3, padding=1, groups=2)",
    preconditions=(grouped,),
    candidate=candidate,
    weights=weights,
    # The same kernels of torch on fewer channels.
    roundings=lambda layer: layer.roundings(),
)
