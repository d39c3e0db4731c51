# mypy: ignore-errors
"""Lengths, paddings, groups and steps that are computed from sizes, by formulas that hold for some."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class GridPositions(nn.Module):
    """Sixteen learned rows, at any number of positions."""

    def __init__(self, step):
        super().__init__()
        self.table = nn.Parameter(torch.randn(16, 3))
        self.step = step

    def forward(self, x):  # b t c
        t = x.shape[1]
        i = torch.arange(t)
        rows = i * (16 // t) if self.step == "first" else i * 16 // t
        return x + (self.table.index_select(0, rows) if self.step == "select" else self.table[rows])


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


class GroupSums(nn.Module):
    """Sums of four neighbours among the channels."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b c t, c a multiple of 4
        b, c, t = x.shape
        groups = c // 4
        if self.way == "size":
            return x.view(b, 4, groups, t).sum(2).repeat_interleave(groups, 1)[:, ::groups][:, :groups]
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
    Mutant(
        "grid-positions",
        ":GridPositions('last')",
        ":GridPositions('first')",
        "b=2 t=8 3",
        "i * (16 // t) for i * 16 // t",
        ":GridPositions('select')",
    ),
    Mutant(
        "upsampled-even",
        ":Upsampled('double')",
        ":Upsampled('even')",
        "b=4 1 t=4",
        "lengths in steps of four",
        ":UpsampledDouble()",
    ),
    Mutant(
        "group-size",
        ":GroupSums('groups')",
        ":GroupSums('size')",
        "b=2 c=16 t=2",
        "c // 4 members a group",
        ":GroupSums('pool')",
    ),
    Mutant("tree-sum", ":Summed()", ":TreeSum()", "b=2 t=8 c=2", "powers of two only", ":TreeSum(odd=True)"),
    Mutant(
        "padding-by-size",
        ":SamePadding('kernel')",
        ":SamePadding('size')",
        "b=2 2 t=7",
        "padding depends on t % 2",
        ":SamePaddingByTaps()",
    ),
    Mutant(
        "padding-stretched",
        "Conv1d(2, 2, 3, padding=1)",
        ":SamePadding('stretch')",
        "b=2 2 t=7",
        "padding grows with t // 10",
        ":SamePadding('kernel')",
    ),
    Mutant(
        "distances-wrapped",
        ":Distances('end')",
        ":Distances('wrapped')",
        "b=2 t=6 c=2",
        "distances modulo 8",
        ":DistancesCounted()",
    ),
]
