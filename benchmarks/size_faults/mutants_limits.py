# mypy: ignore-errors
"""Wrong from some size on: windows that are cut, canvases, halos that chunks lack."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class RowSum(nn.Module):
    def forward(self, x):  # b c h w
        return x.sum(2)


class RowSumCut(nn.Module):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, x):
        return x[:, :, : min(x.shape[2], self.limit)].sum(dim=2)


class RowSumByProduct(nn.Module):
    def forward(self, x):
        return torch.einsum("bchw,h->bcw", x, x.new_ones(x.shape[2]))


class FrameSum(nn.Module):
    def forward(self, x):  # b t c
        return x.sum(1)


class FrameLoop(nn.Module):
    def __init__(self, frames):
        super().__init__()
        self.frames = frames

    def forward(self, x):
        total = x[:, 0]
        for t in range(1, min(self.frames, x.shape[1])):
            total = total + x[:, t]
        return total


class CumulativeSum(nn.Module):
    def forward(self, x):  # b c t
        return x.cumsum(-1)


class CumulativeByWindow(nn.Module):
    def __init__(self, window):
        super().__init__()
        self.window = window

    def forward(self, x):
        return F.pad(x, (self.window - 1, 0)).unfold(2, self.window, 1).sum(-1)


class CumulativeByTriangle(nn.Module):
    def forward(self, x):
        t = x.shape[-1]
        return x @ torch.ones(t, t, dtype=x.dtype).triu()


class ChunkedRows(nn.Conv2d):
    def __init__(self, rows, halo=False):
        super().__init__(2, 3, 3, padding=1)
        self.rows, self.halo = rows, halo

    def forward(self, x):
        w = x.shape[3]
        if not self.halo:
            return torch.cat([super(ChunkedRows, self).forward(part) for part in x.split(self.rows, 2)], 2)
        x = F.pad(x, (1, 1, 1, 1))
        parts = [
            F.conv2d(x[:, :, top : top + self.rows + 2], self.weight, self.bias)
            for top in range(0, x.shape[2] - 2, self.rows)
        ]
        return torch.cat(parts, 2)[..., :w]


class ChunkedTime(nn.Conv1d):
    def __init__(self, length, keep=0):
        super().__init__(2, 3, 3)
        self.length, self.keep = length, keep

    def forward(self, x):  # causal
        past, parts = x.new_zeros(x.shape[0], 2, 2), []
        for part in x.split(self.length, 2):
            parts.append(super().forward(torch.cat([past, part], 2)))
            past = torch.cat([past, part], 2)[..., -2:] if self.keep else torch.zeros_like(past)
        return torch.cat(parts, 2)


class CausalConv(nn.Conv1d):
    def __init__(self):
        super().__init__(2, 3, 3)

    def forward(self, x):
        return super().forward(F.pad(x, (2, 0)))


class FirstFrames(nn.Conv3d):
    def __init__(self, frames):
        super().__init__(2, 2, (1, 2, 2))
        self.frames = frames

    def forward(self, x):  # b c t h w
        x = torch.cat([x[:, :, : self.frames], torch.zeros_like(x[:, :, self.frames :])], 2)
        return super().forward(x)


class FramesInBatch(nn.Conv3d):
    def __init__(self):
        super().__init__(2, 2, (1, 2, 2))

    def forward(self, x):
        b, c, t, h, w = x.shape
        y = F.conv2d(x.transpose(1, 2).reshape(b * t, c, h, w), self.weight.squeeze(2), self.bias)
        return y.view(b, t, *y.shape[1:]).transpose(1, 2)


class OnCanvas(nn.Conv2d):
    def __init__(self, width):
        super().__init__(2, 2, 1)
        self.width = width

    def forward(self, x):
        w = x.shape[3]
        return super().forward(F.pad(x, (0, self.width - w)))[..., :w]


class UpsampledCut(nn.ConvTranspose1d):
    def __init__(self, limit):
        super().__init__(2, 3, 2, stride=2)
        self.limit = limit

    def forward(self, x):
        return super().forward(x)[..., : 2 * self.limit]


class UpsampledByLinear(nn.ConvTranspose1d):
    def __init__(self):
        super().__init__(2, 3, 2, stride=2)

    def forward(self, x):
        return torch.einsum("bit,iok->botk", x, self.weight).flatten(2) + self.bias[:, None]


class AreaLimited(nn.Conv2d):
    def __init__(self, area):
        super().__init__(2, 2, 1)
        self.area = area

    def forward(self, x):
        y = super().forward(x)
        return y if x.shape[2] * x.shape[3] <= self.area else y - self.bias[:, None, None]


class PointwiseByLinear(nn.Conv2d):
    def __init__(self):
        super().__init__(2, 2, 1)

    def forward(self, x):
        return F.linear(x.movedim(1, -1), self.weight.flatten(1), self.bias).movedim(-1, 1)


class GlobalWindow(nn.Module):
    def __init__(self, side):
        super().__init__()
        self.side = side

    def forward(self, x):
        rows, columns = min(x.shape[2], self.side), min(x.shape[3], self.side)
        return F.max_pool2d(x, (rows, columns), stride=(rows, columns))[:, :, 0, 0]


class GlobalMax(nn.Module):
    def forward(self, x):
        return x.amax((2, 3))


class GlobalMaxInSteps(nn.Module):
    def forward(self, x):
        return x.flatten(2).max(-1).values


MUTANTS = [
    *(
        Mutant(
            f"row-sum-cut-{n}",
            ":RowSum()",
            f":RowSumCut({n})",
            "b=2 3 h=7 w=6",
            f"min(h, {n}) rows are summed",
            ":RowSumByProduct()",
        )
        for n in (8, 32)
    ),
    *(
        Mutant(
            f"frame-loop-{n}",
            ":FrameSum()",
            f":FrameLoop({n})",
            "b=2 t=4 c=5",
            f"{n} frames are summed at most",
            ":FrameLoop(1000)",
        )
        for n in (4, 8)
    ),
    *(
        Mutant(
            f"cumulative-window-{n}",
            ":CumulativeSum()",
            f":CumulativeByWindow({n})",
            "b=2 c=3 t=5",
            f"a running sum forgets after {n}",
            ":CumulativeByTriangle()",
        )
        for n in (6, 15)
    ),
    *(
        Mutant(
            f"chunked-rows-{n}",
            "Conv2d(2, 3, 3, padding=1)",
            f":ChunkedRows({n})",
            "b=1 2 h=6 w=7",
            f"chunks of {n} rows have no halo",
            f":ChunkedRows({n}, halo=True)",
        )
        for n in (8, 24)
    ),
    Mutant(
        "chunked-time",
        ":CausalConv()",
        ":ChunkedTime(10)",
        "b=2 2 t=9",
        "a stream's state is lost after 10",
        ":ChunkedTime(10, keep=1)",
    ),
    Mutant(
        "first-frames",
        "Conv3d(2, 2, (1, 2, 2))",
        ":FirstFrames(4)",
        "b=1 2 t=3 h=4 w=4",
        "frames after the fourth are zeros",
        ":FramesInBatch()",
    ),
    Mutant(
        "canvas",
        "Conv2d(2, 2, 1)",
        ":OnCanvas(14)",
        "b=2 2 h=3 w=9",
        "a canvas of 14 columns crops wider images",
        ":OnCanvas(1000)",
    ),
    Mutant(
        "upsampled-cut",
        "ConvTranspose1d(2, 3, 2, stride=2)",
        ":UpsampledCut(20)",
        "b=2 2 t=8",
        "outputs end at 40",
        ":UpsampledByLinear()",
    ),
    Mutant(
        "area-limited",
        "Conv2d(2, 2, 1)",
        ":AreaLimited(20)",
        "b=2 2 h=4 w=4",
        "no bias above 20 positions",
        ":PointwiseByLinear()",
    ),
    Mutant(
        "global-window",
        ":GlobalMax()",
        ":GlobalWindow(11)",
        "b=2 3 h=7 w=7",
        "a window of at most 11 by 11",
        ":GlobalMaxInSteps()",
    ),
]
