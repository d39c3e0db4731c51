# mypy: ignore-errors
"""Convolutions by slices, windows, groups and matrix products."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.own_code.record import Pair


# AlexNet on two cards, and ports of it
class ConvByGroups(nn.Module):
    def __init__(self, c_in, c_out, k, groups):
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.randn(c_out, c_in // groups, k, k))
        self.bias = nn.Parameter(torch.zeros(c_out))

    def forward(self, x):
        xs = x.chunk(self.groups, dim=1)
        ws = self.weight.chunk(self.groups, dim=0)
        out = [F.conv2d(xi, wi, padding=1) for xi, wi in zip(xs, ws)]
        return torch.cat(out, dim=1) + self.bias.view(1, -1, 1, 1)


class ConvByGroupsInterleaved(ConvByGroups):
    def forward(self, x):
        xs = [x[:, g :: self.groups] for g in range(self.groups)]
        ws = self.weight.chunk(self.groups, dim=0)
        out = [F.conv2d(xi, wi, padding=1) for xi, wi in zip(xs, ws)]
        return torch.cat(out, dim=1) + self.bias.view(1, -1, 1, 1)


# ConvNeXt on accelerators without a fast depthwise convolution
class DepthwiseEinsum(nn.Module):
    def __init__(self, dim, k=3):
        super().__init__()
        self.k = k
        self.weight = nn.Parameter(torch.randn(dim, 1, k, k))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        pad = self.k // 2
        windows = F.pad(x, [pad] * 4).unfold(2, self.k, 1).unfold(3, self.k, 1)
        return torch.einsum("bchwij,cij->bchw", windows, self.weight[:, 0]) + self.bias[:, None, None]


class DepthwiseEinsumTransposed(DepthwiseEinsum):
    def forward(self, x):
        pad = self.k // 2
        windows = F.pad(x, [pad] * 4).unfold(2, self.k, 1).unfold(3, self.k, 1)
        return torch.einsum("bchwij,cji->bchw", windows, self.weight[:, 0]) + self.bias[:, None, None]


# atrous convolution, one shifted slice for every tap
class DilatedBySlices(nn.Module):
    def __init__(self, c_in, c_out, k, dilation):
        super().__init__()
        self.k, self.dilation = k, dilation
        self.weight = nn.Parameter(torch.randn(c_out, c_in, k, k))

    def start(self, tap):
        return tap * self.dilation

    def forward(self, x):
        span = (self.k - 1) * self.dilation
        h, w = x.shape[2] - span, x.shape[3] - span
        out = 0
        for i in range(self.k):
            for j in range(self.k):
                top, left = i * self.dilation, self.start(j)
                patch = x[:, :, top : top + h, left : left + w]
                out = out + torch.einsum("bchw,oc->bohw", patch, self.weight[:, :, i, j])
        return out


class DilatedBySlicesInRowsOnly(DilatedBySlices):
    def start(self, tap):
        return tap


# ConvNeXt: the pointwise convolution is a Linear, channels last
class PointwiseLinear(nn.Module):
    def __init__(self, dim, out):
        super().__init__()
        self.pwconv = nn.Linear(dim, out)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = self.pwconv(x)
        return x.permute(0, 3, 1, 2)


class PointwiseLinearTransposed(PointwiseLinear):
    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = self.pwconv(x)
        return x.permute(0, 3, 2, 1)


# Kinetics models: the kernel is 1 in time, so frames go into the batch
class FrameWise(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1)

    def forward(self, x):
        b, c, t, h, w = x.shape
        y = self.conv(x.transpose(1, 2).reshape(b * t, c, h, w))
        return y.view(b, t, -1, h, w).transpose(1, 2)


class FrameWiseReshaped(FrameWise):
    def forward(self, x):
        b, c, t, h, w = x.shape
        y = self.conv(x.reshape(b * t, c, h, w))
        return y.view(b, t, -1, h, w).transpose(1, 2)


# U-Net: what is convolved side by side may be convolved apart
class SkipConcat(nn.Module):
    def __init__(self, ch, out):
        super().__init__()
        self.conv = nn.Conv2d(2 * ch, out, 3, padding=1)

    def forward(self, up, skip):
        return self.conv(torch.cat([skip, up], dim=1))


class SkipSum(nn.Module):
    def __init__(self, ch, out):
        super().__init__()
        self.from_skip = nn.Conv2d(ch, out, 3, padding=1)
        self.from_up = nn.Conv2d(ch, out, 3, padding=1, bias=False)

    def forward(self, up, skip):
        return self.from_skip(skip) + self.from_up(up)


class SkipSumExchanged(SkipSum):
    def forward(self, up, skip):
        return self.from_skip(up) + self.from_up(skip)


SKIP = {
    "from_skip.weight": "conv.weight: o i kh kw -> o i kh kw | part i 1 2",
    "from_up.weight": "conv.weight: o i kh kw -> o i kh kw | part i 2 2",
    "from_skip.bias": "conv.bias",
}

PAIRS = (
    Pair(
        "groups one by one",
        "Conv2d(6, 4, 3, padding=1, groups=2)",
        ":ConvByGroups(6, 4, 3, 2)",
        ("1,6,5,4",),
        "every second channel goes to a group",
        ":ConvByGroupsInterleaved(6, 4, 3, 2)",
    ),
    Pair(
        "a depthwise convolution by einsum over windows",
        "Conv2d(4, 4, 3, padding=1, groups=4)",
        ":DepthwiseEinsum(4)",
        ("2,4,5,6",),
        "rows and columns of the kernel exchanged in einsum",
        ":DepthwiseEinsumTransposed(4)",
    ),
    Pair(
        "a dilated convolution by slices",
        "Conv2d(2, 3, 3, dilation=2, bias=False)",
        ":DilatedBySlices(2, 3, 3, 2)",
        ("1,2,8,9",),
        "dilation is forgotten in columns",
        ":DilatedBySlicesInRowsOnly(2, 3, 3, 2)",
    ),
    Pair(
        "a 1x1 convolution as a Linear",
        "Conv2d(4, 6, 1)",
        ":PointwiseLinear(4, 6)",
        ("2,4,5,5",),
        "the output is transposed",
        ":PointwiseLinearTransposed(4, 6)",
        {"pwconv.weight": "weight: o i 1 1 -> o i", "pwconv.bias": "bias"},
    ),
    Pair(
        "frames in the batch",
        "Conv3d(3, 4, (1, 3, 3), padding=(0, 1, 1))",
        ":FrameWise(3, 4)",
        ("2,3,2,4,5",),
        "reshape without the transposition: frames and channels are mixed up",
        ":FrameWiseReshaped(3, 4)",
        {"conv.weight": "weight: o i 1 kh kw -> o i kh kw", "conv.bias": "bias"},
    ),
    Pair(
        "the convolution of a concatenation is a sum",
        ":SkipConcat(2, 3)",
        ":SkipSum(2, 3)",
        ("1,2,4,5", "1,2,4,5"),
        "the two inputs are exchanged",
        ":SkipSumExchanged(2, 3)",
        SKIP,
    ),
)
