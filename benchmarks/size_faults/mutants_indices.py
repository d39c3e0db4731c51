# mypy: ignore-errors
"""Indices that belong to one size, written into the code."""

import torch
from torch import nn

from benchmarks.size_faults.record import Mutant


class PositionsFlat(nn.Module):
    """One learned row a position, found by row * width + column."""

    def __init__(self, width=None, way="index"):
        super().__init__()
        self.table = nn.Embedding(256, 2)
        self.width, self.way = width, way

    def forward(self, x):  # b c h w
        h, w = x.shape[2:]
        if self.way == "slice":
            return x + self.table.weight[: h * w].T.unflatten(1, (h, w))
        at = torch.arange(h)[:, None] * (self.width or w) + torch.arange(w)
        return x + self.table(at).permute(2, 0, 1)


class LastToken(nn.Module):
    def __init__(self, index):
        super().__init__()
        self.index = index

    def forward(self, x):  # b t c
        return x[:, self.index]


class LastBySlice(nn.Module):
    def forward(self, x):
        return x[:, -1:].squeeze(1)


class Rolled(nn.Module):
    def __init__(self, shift=None):
        super().__init__()
        self.shift = shift

    def forward(self, x):  # b c t
        return x.roll(self.shift or x.shape[2] // 2, 2)


class RolledByIndex(nn.Module):
    def forward(self, x):
        t = x.shape[2]
        return x[..., (torch.arange(t) - t // 2) % t]


class WithoutClassToken(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def forward(self, x):  # b t c
        return x[:, 1 : self.tokens + 1]


class AllButFirst(nn.Module):
    def forward(self, x):
        return x[:, 1:]


class AllButFirstSplit(nn.Module):
    def forward(self, x):
        return x.tensor_split([1], 1)[1]


class FlatClassifier(nn.Module):
    """Cells of a grid of five columns, read by their flat index."""

    def __init__(self, columns=None):
        super().__init__()
        self.columns = columns

    def forward(self, x):  # b c h w: the entry below the first one
        return x.flatten(2)[..., self.columns or x.shape[3]]


class BelowFirst(nn.Module):
    def forward(self, x):
        return x[:, :, 1, 0]


class Reversed(nn.Module):
    def __init__(self, last=None):
        super().__init__()
        self.last = last

    def forward(self, x):  # b c t
        last = self.last or x.shape[2] - 1
        return x[..., (last - torch.arange(x.shape[2])) % x.shape[2]]


class ReversedByFlip(nn.Module):
    def forward(self, x):
        return x.flip(-1)


MUTANTS = [
    *(
        Mutant(
            f"flat-positions-{n}",
            ":PositionsFlat()",
            f":PositionsFlat({n})",
            f"b=1 2 h=3 w={n}",
            f"row * {n} + column",
            ":PositionsFlat(way='slice')",
        )
        for n in (7, 14)
    ),
    *(
        Mutant(
            f"last-token-{n}",
            ":LastToken(-1)",
            f":LastToken({n})",
            f"b=2 t={n + 1} c=3",
            f"index {n} for the last",
            ":LastBySlice()",
        )
        for n in (6, 13)
    ),
    Mutant("rolled-by-3", ":Rolled()", ":Rolled(3)", "b=2 c=2 t=6", "half of six or seven", ":RolledByIndex()"),
    *(
        Mutant(
            f"without-class-{n}",
            ":AllButFirst()",
            f":WithoutClassToken({n})",
            "b=2 t=9 c=3",
            f"{n} tokens behind the first",
            ":AllButFirstSplit()",
        )
        for n in (9, 16)
    ),
    Mutant("flat-cell", ":FlatClassifier()", ":FlatClassifier(5)", "b=1 c=2 h=3 w=5", "five columns", ":BelowFirst()"),
    Mutant(
        "reversed-by-8", ":Reversed()", ":Reversed(8)", "b=1 c=2 t=9", "the last index of nine", ":ReversedByFlip()"
    ),
]
