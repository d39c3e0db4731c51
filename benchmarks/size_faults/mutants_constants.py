# mypy: ignore-errors
"""Factors, numbers of positions and heads that belong to one size, written into the code."""

import torch
from torch import nn

from benchmarks.size_faults.record import Mutant


class MeanOfImage(nn.Module):
    def forward(self, x):  # b c h w
        return x.sum((2, 3)) / (x.shape[2] * x.shape[3])


class MeanBaked(nn.Module):
    def __init__(self, positions):
        super().__init__()
        self.positions = positions

    def forward(self, x):
        return x.sum((2, 3)) / self.positions


class MeanFlat(nn.Module):
    def forward(self, x):
        return x.flatten(2).sum(2) / x[0, 0].numel()


class MeanOfTokens(nn.Module):
    def __init__(self, positions=None, mean="sum"):
        super().__init__()
        self.positions, self.mean = positions, mean

    def forward(self, x):  # b t c
        if self.mean == "einsum":
            return torch.einsum("btc->bc", x) / x.shape[1]
        return x.sum(1) / (self.positions or x.shape[1])


class RowsScaled(nn.Module):
    """Coordinates in whole numbers, scaled by the size."""

    def __init__(self, baked=None):
        super().__init__()
        self.baked = baked

    def forward(self, x):  # b c h w
        h = self.baked or x.shape[2]
        return x * (h - torch.arange(x.shape[2]))[:, None]


class RowsScaledBackwards(nn.Module):
    def forward(self, x):
        return x * torch.arange(x.shape[2], 0, -1)[:, None]


class CausalScores(nn.Module):
    def __init__(self, size=None):
        super().__init__()
        self.size = size

    def forward(self, q):  # b t c
        t = q.shape[1]
        mask = torch.ones(t, t).triu(1).bool()
        if self.size:
            mask[self.size :] = False
        return (q @ q.transpose(1, 2)).masked_fill(mask, 0) @ q


class CausalByTril(nn.Module):
    def forward(self, q):
        return torch.einsum("bij,bjc->bic", torch.tril(torch.einsum("bic,bjc->bij", q, q)), q)


class OnBuffer(nn.Conv2d):
    """The output is written into a buffer of the size it had once."""

    def __init__(self, side=None):
        super().__init__(1, 2, 2, stride=2)
        self.side = side

    def forward(self, x):
        y = super().forward(x)
        rows = self.side or y.shape[2]
        buffer = x.new_zeros(y.shape[0], 2, rows, y.shape[3])
        buffer[:, :, : y.shape[2]] = y[:, :, :rows]
        return buffer


class Rescaled(nn.Module):
    """Sums that are kept alike for more positions, by what was right for a grid of six."""

    def __init__(self, baked):
        super().__init__()
        self.baked = baked

    def forward(self, x):  # b c h w
        return x.sum(2) * (6 if self.baked else x.shape[2])


class RescaledByRepeat(nn.Module):
    def forward(self, x):
        return torch.einsum("bchw,kw->bcw", x, x.new_ones(x.shape[2], x.shape[3]))


class HeadsBaked(nn.Module):
    """Heads of two entries each, or as many heads as the first model had."""

    def __init__(self, heads=None):
        super().__init__()
        self.heads = heads

    def forward(self, x):  # b t c
        x = x.unflatten(2, (self.heads, -1) if self.heads else (-1, 2))
        return (x.sum(-1, keepdim=True) * x).flatten(2)


class HeadsPaired(nn.Module):
    def forward(self, x):
        first, second = x[..., ::2], x[..., 1::2]
        total = first + second
        return torch.stack([total * first, total * second], -1).flatten(2)


class ScaledByDepth(nn.Module):
    def __init__(self, baked):
        super().__init__()
        self.baked = baked

    def forward(self, x):  # b c t h w
        frames = 4 if self.baked else x.shape[2]
        return x.sum(2) - frames


class ScaledInSteps(nn.Module):
    def forward(self, x):
        return (x - 1).sum(2)


MUTANTS = [
    *(
        Mutant(
            f"mean-by-{n}",
            ":MeanOfImage()",
            f":MeanBaked({n})",
            f"b=2 c=3 h={h} w={n // h}",
            f"divides by {n} positions",
            ":MeanFlat()",
        )
        for n, h in ((16, 4), (6, 3))
    ),
    Mutant(
        "token-mean-by-7",
        ":MeanOfTokens()",
        ":MeanOfTokens(7)",
        "b=2 t=7 c=3",
        "divides by 7 tokens",
        ":MeanOfTokens(mean='einsum')",
    ),
    Mutant(
        "rows-of-14",
        ":RowsScaled()",
        ":RowsScaled(14)",
        "b=1 c=2 h=14 w=3",
        "coordinates of 14 rows",
        ":RowsScaledBackwards()",
    ),
    *(
        Mutant(
            f"causal-{n}",
            ":CausalScores()",
            f":CausalScores({n})",
            "b=2 t=4 c=2",
            f"no mask below row {n}",
            ":CausalByTril()",
        )
        for n in (5, 11)
    ),
    Mutant(
        "on-buffer",
        "Conv2d(1, 2, 2, stride=2)",
        ":OnBuffer(3)",
        "b=1 1 h=6 w=4",
        "a buffer of three rows",
        ":OnBuffer()",
    ),
    Mutant(
        "rescaled-by-6",
        ":Rescaled(False)",
        ":Rescaled(True)",
        "b=2 c=2 h=6 w=3",
        "a factor of one size",
        ":RescaledByRepeat()",
    ),
    *(
        Mutant(
            f"heads-{n}",
            ":HeadsBaked()",
            f":HeadsBaked({n})",
            f"b=2 t=3 c={2 * n}",
            f"{n} heads of any size",
            ":HeadsPaired()",
        )
        for n in (2, 3)
    ),
    Mutant(
        "four-frames",
        ":ScaledByDepth(False)",
        ":ScaledByDepth(True)",
        "b=1 c=2 t=4 h=2 w=3",
        "four frames",
        ":ScaledInSteps()",
    ),
]
