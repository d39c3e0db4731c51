"""A convolution is its sliding windows times the weight, summed over channels and kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.halves import halvings_of_products
from convcheck.rewriting.kernels import dilated_size
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

BYTES_AT_ONCE = 2**26
"""All products of a layer may not fit in memory; so many bytes of them are made at a time, or those of one output.

Much smaller blocks would stay with the allocator, in pieces, where large ones go back to the system.
"""


def halvings(conv: Conv, shape: Shape) -> tuple[int, int]:
    """Return how often the outputs of a group are halved, and how many products a part then has."""
    batch, (_, *space) = shape[: -conv.dims - 1], conv.output_shape(shape)[-conv.dims - 1 :]
    terms = math.prod(conv.parameters()["weight"][1:])
    return halvings_of_products((*batch, conv.out_channels // conv.groups, *space), terms, BYTES_AT_ONCE)


def in_halves(
    summed: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    reaches: Sequence[int],
    halvings: int,
) -> Tensor:
    """Make `summed(x, weight)` in two halves of its longest axis, and these in halves of theirs, so many times.

    A window reaches over so many positions of an axis. `[..., i, *space]` and `[o, i, *kernel]` make
    `[..., o, *outputs]`.
    """
    import torch

    channel = -len(stride) - 1
    positions = [(x.shape[axis] - reaches[axis]) // stride[axis] + 1 for axis in range(channel + 1, 0)]
    outputs = [*x.shape[:channel], weight.shape[0], *positions]
    longest = max(outputs)
    if halvings == 0 or longest == 1:
        return summed(x, weight)
    axis = outputs.index(longest) - len(outputs)
    halves = []
    for start, count in ((0, longest // 2), (longest // 2, longest - longest // 2)):
        some_x, some_weight = x, weight
        if axis == channel:
            some_weight = weight.narrow(0, start, count)
        elif axis < channel:
            some_x = x.narrow(axis, start, count)
        else:
            some_x = x.narrow(axis, start * stride[axis], (count - 1) * stride[axis] + reaches[axis])
        halves.append(in_halves(summed, some_x, some_weight, stride, reaches, halvings - 1))
    return torch.cat(halves, axis)


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    import torch
    from torch import nn

    from convcheck.modules.parts import pad, windows

    dims, groups, channel = conv.dims, conv.groups, -conv.dims - 1
    times, _ = halvings(conv, shape)

    class WindowsSum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(conv.parameters()["weight"]))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            parts = torch.unflatten(x, channel, (groups, -1)).unbind(channel - 1)
            pairs = zip(parts, torch.unflatten(self.weight, 0, (groups, -1)), strict=True)
            if times:
                reaches = dilated_size(conv)
                y = torch.cat([in_halves(self.summed, *pair, conv.stride, reaches, times) for pair in pairs], channel)
            else:
                y = torch.cat([self.summed(*pair) for pair in pairs], channel)
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

        def summed(self, x: Tensor, weight: Tensor) -> Tensor:
            """`[..., i, *space]` and `[o, i, *kernel]` to `[..., o, *outputs]`."""
            x_windows = windows(x, conv.kernel_size, conv.stride, conv.dilation)
            # [..., 1, i, *outputs, *kernel] * [o, i, 1..., *kernel]: views, so that autograd keeps no product.
            multiplied = x_windows.unsqueeze(-2 * dims - 2) * weight[(slice(None), slice(None), *[None] * dims)]
            return multiplied.sum([-2 * dims - 1, *range(-dims, 0)])

    return WindowsSum()


def roundings(conv: Conv) -> Roundings:
    # Every product is stored, then their sum; a sum of one product is that product.
    products = math.prod(conv.parameters()["weight"][1:])
    return Roundings(min(products, 2), bias_apart=conv.bias, products_apart=True)


def intermediates(conv: Conv, shape: Shape) -> int:
    """Count the products of a part: times the gradient, with the inputs and with the weights."""
    _, products = halvings(conv, shape)
    return 2 * products


REWRITE = Rewrite(
    claim=__doc__,
    summary="sliding windows times the weight, summed",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="always",
    formula="y[o, n] = b[o] + sum over i, k of W[o, i, k] * X[i, n, k], with X[i, n, k] = x[i, s*n + d*k - p]",
    derivation=(
        "X[i, n, k] is what tap k of window n reads. The layer's sum over i and k is that over the axes of a window."
    ),
    source="torch.nn.Conv2d, whose definition this is, in any number of dimensions",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, stride=2, padding=1, groups=2)",
    candidate=candidate,
    weights={"weight": ("weight", "o i {k} -> o i {k}"), "bias": ("bias", "o -> o")},
    intermediates=intermediates,
    relative_cost=40,
    roundings=roundings,
)
