"""A convolution is its sliding windows times the weight, summed over channels and kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.halves import halved
from convcheck.rewriting.kernels import dilated_size
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn

BYTES_AT_ONCE = 2**26
"""All products of a layer may not fit in memory; so many bytes of them are made at a time, or those of one output.

Much smaller blocks would stay with the allocator, in pieces, where large ones go back to the system.
"""


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn

    from convcheck.modules.parts import pad, windows

    dims, groups, channel = conv.dims, conv.groups, -conv.dims - 1
    reaches = dilated_size(conv)

    class WindowsSum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(conv.parameters()["weight"]))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            parts = torch.unflatten(x, channel, (groups, -1)).unbind(channel - 1)
            pairs = zip(parts, torch.unflatten(self.weight, 0, (groups, -1)), strict=True)
            y = torch.cat([self.summed(*pair) for pair in pairs], channel)
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

        def summed(self, x: Tensor, weight: Tensor) -> Tensor:
            """`[..., i, *space]` and `[o, i, *kernel]` to `[..., o, *outputs]`, in halves until a part is small."""
            x_windows = windows(x, conv.kernel_size, conv.stride, conv.dilation)
            outputs = [*x.shape[:channel], weight.shape[0], *x_windows.shape[-2 * dims : -dims]]
            products = math.prod(outputs) * math.prod(weight.shape[1:])
            if products * weight.element_size() <= BYTES_AT_ONCE or max(outputs) == 1:
                # [..., 1, i, *outputs, *kernel] * [o, i, 1..., *kernel]: views, so that autograd keeps no product.
                multiplied = x_windows.unsqueeze(-2 * dims - 2) * weight[(slice(None), slice(None), *[None] * dims)]
                return multiplied.sum([-2 * dims - 1, *range(-dims, 0)])
            longest = max(outputs)
            axis = outputs.index(longest) - len(outputs)
            halves = []
            for start, count in ((0, longest // 2), (longest // 2, longest - longest // 2)):
                if axis == channel:
                    halves.append(self.summed(x, weight.narrow(0, start, count)))
                elif axis < channel:
                    halves.append(self.summed(x.narrow(axis, start, count), weight))
                else:
                    step, reach = conv.stride[axis], reaches[axis]
                    halves.append(self.summed(x.narrow(axis, start * step, (count - 1) * step + reach), weight))
            return torch.cat(halves, axis)

    return WindowsSum()


def roundings(conv: Conv) -> Roundings:
    # Every product is stored, then their sum; a sum of one product is that product.
    products = math.prod(conv.parameters()["weight"][1:])
    return Roundings(min(products, 2), bias_apart=conv.bias, products_apart=True)


def intermediates(conv: Conv, shape: Shape) -> int:
    """Count the products of a part: times the gradient, with the inputs and with the weights."""
    one_output = math.prod(conv.parameters()["weight"][1:])
    return 2 * max(one_output, halved(conv.macs(shape) // conv.groups, BYTES_AT_ONCE // 8))


REWRITE = Rewrite(
    claim=__doc__,
    summary="sliding windows times the weight, summed",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="always",
    formula="y[o, n] = b[o] + sum over i, k of W[o, i, k] * X[i, n, k], with X[i, n, k] = x[i, s*n + d*k - p]",
    source="torch.nn.Conv2d, whose definition this is, in any number of dimensions",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, stride=2, padding=1, groups=2)",
    candidate=candidate,
    weights={"weight": ("weight", "o i {k} -> o i {k}"), "bias": ("bias", "o -> o")},
    intermediates=intermediates,
    relative_cost=40,
    roundings=roundings,
)
