"""A convolution whose kernel equals its stride is space-to-depth, then a 1x1 convolution."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from convcheck.layers import Conv
from convcheck.rewriting.preconditions import windows_tile
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from einops.layers.torch import Rearrange
    from torch import nn

    from convcheck.modules.parts import CropToMultiple

    conv1x1 = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[conv.dims]
    channels = conv.in_channels * math.prod(conv.kernel_size)
    return nn.Sequential(
        OrderedDict(
            crop=CropToMultiple(conv.kernel_size),
            # Channel-major, so that the channels of one group stay together.
            patchify=Rearrange(spell("... i {blocks} -> ... (i {k}) {space}", conv.dims), **conv.kernel_axes()),
            project=conv1x1(channels, conv.out_channels, 1, groups=conv.groups, bias=conv.bias),
        )
    )


REWRITE = Rewrite(
    claim=__doc__,
    summary="space-to-depth, then 1x1 convolution",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="kernel = stride, no padding, dilation 1 along axes where the kernel is longer than 1",
    formula="y[o, n] = b[o] + sum over i, k of W[o, (i k)] * x[i, s*n + k], with s = kernel: no input is read twice",
    source="torch.nn.PixelUnshuffle, whose channel order this is, in any number of dimensions",
    families=(Conv,),
    example="Conv2d(3, 64, kernel_size=16, stride=16)",
    preconditions=(windows_tile,),
    candidate=candidate,
    weights={"project.weight": ("weight", "o i {k} -> o (i {k}) {ones}"), "project.bias": ("bias", "o -> o")},
)
