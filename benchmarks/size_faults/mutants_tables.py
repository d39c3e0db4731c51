# mypy: ignore-errors
"""Wrong from some size on: tables of positions that end, limits of distances."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class Positions(nn.Module):
    def __init__(self, rows=48, dim=4):
        super().__init__()
        self.embed = nn.Embedding(rows, dim)

    def forward(self, x):  # b t c
        return x + self.embed(torch.arange(x.shape[1]))


class SlicedPositions(Positions):
    def forward(self, x):
        return x + self.embed.weight[: x.shape[1]]


class ClampedPositions(Positions):
    def __init__(self, last):
        super().__init__()
        self.last = last

    def forward(self, x):
        return x + self.embed(torch.arange(x.shape[1]).clamp(max=self.last - 1))


class WrappedPositions(ClampedPositions):
    def forward(self, x):
        return x + self.embed(torch.arange(x.shape[1]) % self.last)


class PaddedPositions(ClampedPositions):
    def forward(self, x):
        t = x.shape[1]
        table = self.embed.weight[: min(t, self.last)]
        return x + F.pad(table, (0, 0, 0, t - table.shape[0]))


class RowPositions(nn.Module):
    def __init__(self, rows=48, dim=3):
        super().__init__()
        self.table = nn.Parameter(torch.randn(dim, rows))

    def forward(self, x):  # b c h w
        return x + self.table[:, : x.shape[2], None]


class RowPositionsClamped(RowPositions):
    def __init__(self, last):
        super().__init__()
        self.last = last

    def forward(self, x):
        rows = torch.clamp(torch.arange(x.shape[2]), 0, self.last - 1)
        return x + self.table.index_select(1, rows).unsqueeze(-1)


class RelativeScores(nn.Module):
    def __init__(self, reach=40):
        super().__init__()
        self.reach = reach
        self.bias = nn.Parameter(torch.randn(2 * reach + 1))

    def forward(self, q):  # b t c
        t = torch.arange(q.shape[1])
        return q @ q.transpose(1, 2) + self.bias[t[:, None] - t[None] + self.reach]


class RelativeScoresClipped(RelativeScores):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, q):
        t = torch.arange(q.shape[1])
        distance = (t[:, None] - t[None]).clamp(-self.clip, self.clip)
        return torch.einsum("bic,bjc->bij", q, q) + self.bias[distance + self.reach]


class LinearAttention(nn.Module):
    def forward(self, q):  # b t c
        return q @ (q.transpose(1, 2) @ q)


class WindowedAttention(nn.Module):
    def __init__(self, reach):
        super().__init__()
        self.reach = reach

    def forward(self, q):
        t = torch.arange(q.shape[1])
        near = (t[:, None] - t[None]).abs() < self.reach
        return (q @ q.transpose(1, 2)).masked_fill(~near, 0) @ q


class ScoresFirst(nn.Module):
    def forward(self, q):
        return (q @ q.transpose(1, 2)) @ q


class Shifted(nn.Module):
    def forward(self, x):  # b c t; the last position stays
        return torch.cat([x[..., 1:], x[..., -1:]], -1)


class ShiftedByIndex(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.last = last

    def forward(self, x):
        return x[..., (torch.arange(x.shape[2]) + 1).clamp(max=self.last).clamp(max=x.shape[2] - 1)]


class ShiftedByPad(nn.Module):
    def forward(self, x):
        return F.pad(x, (0, 1), mode="replicate")[..., 1:]


MUTANTS = [
    *(
        Mutant(
            f"positions-clamped-{n}",
            ":Positions()",
            f":ClampedPositions({n})",
            "b=2 t=7 4",
            f"a table of {n} positions that is clamped",
            ":SlicedPositions()",
        )
        for n in (8, 16, 31)
    ),
    Mutant("positions-wrapped", ":Positions()", ":WrappedPositions(12)", "b=2 t=7 4", "positions begin again after 12"),
    Mutant("positions-padded", ":Positions()", ":PaddedPositions(10)", "b=2 t=7 4", "no position after the tenth"),
    *(
        Mutant(
            f"row-positions-clamped-{n}",
            ":RowPositions()",
            f":RowPositionsClamped({n})",
            "b=1 3 h=6 w=5",
            f"a table of {n} rows that is clamped",
            ":RowPositionsClamped(48)",
        )
        for n in (9, 30)
    ),
    *(
        Mutant(
            f"relative-clipped-{n}",
            ":RelativeScores()",
            f":RelativeScoresClipped({n})",
            "b=2 t=4 3",
            f"distances are clipped at {n}",
            ":RelativeScoresClipped(40)",
        )
        for n in (5, 12)
    ),
    *(
        Mutant(
            f"windowed-attention-{n}",
            ":LinearAttention()",
            f":WindowedAttention({n})",
            "b=2 t=5 c=3",
            f"only {n} neighbours are read",
            ":ScoresFirst()",
        )
        for n in (6, 9)
    ),
    Mutant("shift-clamped", ":Shifted()", ":ShiftedByIndex(13)", "b=2 c=2 t=8", "indices end at 13", ":ShiftedByPad()"),
]
