# mypy: ignore-errors
"""Strides, windows, dilations and groups that are computed from sizes, by formulas that hold for some."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class AdaptiveMax(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def forward(self, x):  # b c t
        return F.adaptive_max_pool1d(x, self.out)


class FixedMax(AdaptiveMax):
    def forward(self, x):
        stride = x.shape[2] // self.out
        return F.max_pool1d(x, x.shape[2] - (self.out - 1) * stride, stride)


class LoopedMax(AdaptiveMax):
    def forward(self, x):
        t, n = x.shape[2], self.out
        return torch.stack([x[..., i * t // n : -(-(i + 1) * t // n)].amax(-1) for i in range(n)], -1)


class Resampled(nn.Module):
    """Four positions, as near as whole numbers tell."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b c t
        t = x.shape[2]
        if self.way == "stride":
            return x[..., :: t // 4][..., :4]
        if self.way == "select":
            return torch.stack([x[..., i * t // 4] for i in range(4)], -1)
        return x[..., torch.arange(4) * t // 4]


class GridPositions(nn.Module):
    """Sixteen learned rows, at any number of positions."""

    def __init__(self, step):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(16, 3))
        self.step = step

    def forward(self, x):  # b t c
        t = x.shape[1]
        i = torch.arange(t)
        if self.step == "first":
            rows = i * (16 // t)
        else:
            rows = i * 16 // t
        return x + (self.table.index_select(0, rows) if self.step == "select" else self.table[rows])


class Dilated(nn.Conv1d):
    def __init__(self, per):
        super().__init__(2, 2, 2)
        self.per = per

    def forward(self, x):
        return F.conv1d(x, self.weight, self.bias, dilation=1 + x.shape[2] // self.per)


class TwoTaps(nn.Conv1d):
    def __init__(self):
        super().__init__(2, 2, 2)

    def forward(self, x):
        first, second = self.weight.unbind(2)
        return first @ x[..., :-1] + second @ x[..., 1:] + self.bias[:, None]


class Strided(nn.Conv2d):
    """Stride two, or what divides the image into as many as the given one has."""

    def __init__(self, patches):
        super().__init__(1, 2, 2, stride=2)
        self.patches = patches

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, stride=(max(1, x.shape[2] // self.patches), 2))


class StridedByUnfold(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 2, 2, stride=2)

    def forward(self, x):
        h, w = x.shape[2] // 2, x.shape[3] // 2
        columns = F.unfold(x, 2, stride=2)
        return (self.weight.flatten(1) @ columns + self.bias[:, None]).view(-1, 2, h, w)


class Upsampled(nn.ConvTranspose1d):
    """Outputs by torch's formula, or `stride * t`."""

    def __init__(self, length):
        super().__init__(1, 2, 3, stride=2)
        self.length = length

    def forward(self, x):
        t = x.shape[2]
        y = super().forward(x)
        return y[..., : {"double": 2 * t, "even": (2 * t + 3) // 4 * 4, "torch": (t - 1) * 2 + 3}[self.length]]


class UpsampledDouble(nn.ConvTranspose1d):
    def __init__(self):
        super().__init__(1, 2, 3, stride=2)

    def forward(self, x):
        a, b, c = self.weight[0].unbind(1)
        even = x * a[:, None] + F.pad(x, (1, 0))[..., :-1] * c[:, None]
        return torch.stack([even, x * b[:, None]], -1).flatten(2) + self.bias[:, None]


class SquareWindow(nn.Module):
    """The largest of the first h by w positions, or of h by h."""

    def __init__(self, side):
        super().__init__()
        self.side = side

    def forward(self, x):
        h, w = x.shape[2:]
        rows, columns = {"height": (h, h), "shorter": (min(h, w), min(h, w)), "both": (h, w)}[self.side]
        return x[:, :, :rows, :columns].amax((2, 3))


class LargestByFlat(nn.Module):
    def forward(self, x):
        return x.flatten(2).amax(2)


class GroupSums(nn.Module):
    """Sums of four neighbours among the channels."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b c t, c a multiple of 4
        b, c, t = x.shape
        groups = c // 4
        if self.way == "size":
            return x.view(b, 4, groups, t).sum(2).repeat_interleave(groups, 1)[:, :: groups][:, :groups]
        if self.way == "pool":
            return x.unfold(1, 4, 4).sum(-1)
        return x.view(b, groups, 4, t).sum(2)


class TreeSum(nn.Module):
    """Halves are added until one is left."""

    def __init__(self, odd=False):
        super().__init__()
        self.odd = odd

    def forward(self, x):  # b t c
        while x.shape[1] > 1:
            half = x.shape[1] // 2
            rest = x[:, 2 * half :] if self.odd else x[:, :0]
            x = torch.cat([x[:, :half] + x[:, half : 2 * half], rest], 1)
        return x[:, 0]


class Summed(nn.Module):
    def forward(self, x):
        return x.sum(1)


class SamePadding(nn.Conv1d):
    """Half a kernel on both sides, or what the size asks for."""

    def __init__(self, by):
        super().__init__(2, 2, 3)
        self.by = by

    def forward(self, x):
        pad = {"kernel": (1, 1), "size": (x.shape[2] % 2, 2 - x.shape[2] % 2), "stretch": (1, 1 + x.shape[2] // 10)}
        return super().forward(F.pad(x, pad[self.by]))


class SamePaddingByTaps(SamePadding):
    def __init__(self):
        super().__init__("kernel")

    def forward(self, x):
        left, middle, right = self.weight.unbind(2)
        before, behind = F.pad(x, (1, 0))[..., :-1], F.pad(x, (0, 1))[..., 1:]
        return left @ before + middle @ x + right @ behind + self.bias[:, None]


class Corner(nn.Module):
    """The entry on the diagonal that is the last one of the shorter side."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, x):
        last = (min(x.shape[2:]) if self.of == "shorter" else x.shape[2]) - 1
        return x[:, :, last, min(last, x.shape[3] - 1)]


class CornerOfDiagonal(nn.Module):
    def forward(self, x):
        return x.diagonal(dim1=2, dim2=3)[..., -1]


class Distances(nn.Module):
    """Sums weighted by how far a position is from the end."""

    def __init__(self, end):
        super().__init__()
        self.end = end

    def forward(self, x):  # b t c
        t = x.shape[1]
        far = t - 1 - torch.arange(t)
        return (x * (far % 8 if self.end == "wrapped" else far)[:, None]).sum(1)


class DistancesCounted(nn.Module):
    def forward(self, x):
        return x.cumsum(1)[:, :-1].sum(1)


MUTANTS = [
    *(
        Mutant(f"adaptive-max-{n}", f":AdaptiveMax({n})", f":FixedMax({n})", f"b=2 c=3 t={2 * n}",
               "one window and stride for all sizes", f":LoopedMax({n})")
        for n in (3, 5)
    ),
    Mutant("resampled-by-stride", ":Resampled('index')", ":Resampled('stride')", "b=2 c=2 t=8", "a stride of t // 4",
           ":Resampled('select')"),
    Mutant("grid-positions", ":GridPositions('last')", ":GridPositions('first')", "b=2 t=8 3",
           "i * (16 // t) for i * 16 // t", ":GridPositions('select')"),
    *(
        Mutant(f"dilated-{n}", "Conv1d(2, 2, 2)", f":Dilated({n})", "b=2 2 t=6", f"dilation grows with t // {n}",
               ":TwoTaps()")
        for n in (10, 16)
    ),
    *(
        Mutant(f"strided-{n}", "Conv2d(1, 2, 2, stride=2)", f":Strided({n})", f"b=2 1 h={2 * n} w=4",
               f"a stride of h // {n}", ":StridedByUnfold()")
        for n in (2, 4)
    ),
    Mutant("upsampled-even", ":Upsampled('double')", ":Upsampled('even')", "b=4 1 t=4", "lengths in steps of four",
           ":UpsampledDouble()"),
    Mutant("square-window", ":SquareWindow('both')", ":SquareWindow('height')", "b=2 c=2 h=5 w=5",
           "as many columns as rows", ":LargestByFlat()"),
    Mutant("shorter-window", ":SquareWindow('both')", ":SquareWindow('shorter')", "b=1 c=2 h=5 w=5",
           "the square of the shorter side"),
    Mutant("group-size", ":GroupSums('groups')", ":GroupSums('size')", "b=2 c=16 t=2", "c // 4 members a group",
           ":GroupSums('pool')"),
    Mutant("tree-sum", ":Summed()", ":TreeSum()", "b=2 t=8 c=2", "powers of two only", ":TreeSum(odd=True)"),
    Mutant("padding-by-size", ":SamePadding('kernel')", ":SamePadding('size')", "b=2 2 t=7",
           "padding depends on t % 2", ":SamePaddingByTaps()"),
    Mutant("padding-stretched", "Conv1d(2, 2, 3, padding=1)", ":SamePadding('stretch')", "b=2 2 t=7",
           "padding grows with t // 10", ":SamePadding('kernel')"),
    Mutant("corner", ":Corner('shorter')", ":Corner('height')", "b=2 c=2 h=3 w=5", "the height for the shorter side",
           ":CornerOfDiagonal()"),
    Mutant("distances-wrapped", ":Distances('end')", ":Distances('wrapped')", "b=2 t=6 c=2", "distances modulo 8",
           ":DistancesCounted()"),
]
