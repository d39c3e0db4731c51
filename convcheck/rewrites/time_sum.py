"""A Conv3d is a sum of Conv2d's, one for every frame of its kernel, each on the frames that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.preconditions import temporal
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from convcheck.modules.parts import pad

    taps, step, gap = conv.kernel_size[0], conv.stride[0], conv.dilation[0]

    class TimeSum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one_frame = (conv.out_channels, conv.in_channels // conv.groups, *conv.kernel_size[1:])
            self.weight = nn.Parameter(torch.empty(taps, *one_frame))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, conv.pads, conv.padding_mode)
            x = x.movedim(-3, -4)
            y = self.conv2d(x, 0, self.bias)
            for tap in range(1, taps):
                y = y + self.conv2d(x, tap, None)
            return y.movedim(-4, -3)

        def conv2d(self, x: Tensor, tap: int, bias: Tensor | None) -> Tensor:
            """`[..., t, i, h, w]` to `[..., t, o, h, w]`, on the frames that one frame of the kernel reads."""
            first, last = gap * tap, x.shape[-4] - gap * (taps - tap) + gap
            frames = x[..., first:last:step, :, :, :]
            y = functional.conv2d(
                frames.flatten(0, -4),
                self.weight[tap],
                bias,
                stride=conv.stride[1:],
                dilation=conv.dilation[1:],
                groups=conv.groups,
            )
            return y.reshape(*frames.shape[:-3], *y.shape[1:])

    return TimeSum()


REWRITE = Rewrite(
    claim=__doc__,
    summary="a sum of Conv2d, one for every frame of the kernel",
    reference="Conv3d",
    holds_when="always, for a Conv3d",
    formula="y[o, t, n] = b[o] + sum over kt of (sum over i, k of W[kt, o, i, k] * x[i, s*t + d*kt - p, s*n + d*k - p])"
    ", with s, d and p of each axis",
    derivation="The layer's sum over kt is taken last. For one kt it is a Conv2d on the frames s*t + d*kt - p.",
    source="torch.nn.Conv3d, whose sum over a kernel's frames is taken last here",
    families=(Conv,),
    example="Conv3d(3, 8, kernel_size=3, padding=1)",
    preconditions=(temporal,),
    candidate=candidate,
    weights={"weight": ("weight", "o i kt kh kw -> kt o i kh kw"), "bias": ("bias", "o -> o")},
    # Every Conv2d's output is stored, and so is every sum over them so far; the bias is in the first.
    roundings=lambda conv: Roundings(conv.kernel_size[0]),
)
