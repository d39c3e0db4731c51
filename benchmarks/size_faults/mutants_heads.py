# mypy: ignore-errors
"""Wrong orders of heads, groups and blocks, which do no harm where a size is one, or two are equal."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class Heads(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b t (2 d) -> b 2 t d
        b, t, c = x.shape
        if self.way == "view":
            return x.reshape(b, 2, t, c // 2)
        if self.way == "chunk":
            return torch.stack(x.chunk(2, 2), 1)
        return x.view(b, t, 2, c // 2).transpose(1, 2)


class HeadsJoined(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b n t d -> b t (n d)
        b, n, t, d = x.shape
        if self.way == "view":
            return x.reshape(b, t, n * d)
        if self.way == "cat":
            return torch.cat(x.unbind(1), 2)
        return x.transpose(1, 2).reshape(b, t, n * d)


class PatchOrder(nn.Module):
    def __init__(self, way, patch=2):
        super().__init__()
        self.way, self.patch = way, patch

    def forward(self, x):  # b c (h p) (w p) -> b (h w) (c p p)
        b, c, h, w = x.shape
        p = self.patch
        if self.way == "unfold":
            return F.unfold(x, p, stride=p).transpose(1, 2)
        if self.way == "unfold-view":
            return F.unfold(x, p, stride=p).reshape(b, -1, c * p * p)
        x = x.view(b, c, h // p, p, w // p, p)
        order = (0, 4, 2, 1, 3, 5) if self.way == "columns" else (0, 2, 4, 1, 3, 5)
        return x.permute(*order).reshape(b, (h // p) * (w // p), c * p * p)


class Shuffled(nn.Module):
    """PixelShuffle, with channels before the block's rows and columns or behind them."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b (4 c) h w -> b c 2h 2w
        b, c, h, w = x.shape
        if self.way == "behind":
            x = x.view(b, 2, 2, c // 4, h, w).permute(0, 3, 1, 2, 4, 5)
        else:
            x = x.view(b, c // 4, 2, 2, h, w)
        return x.permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, 2 * h, 2 * w)


class GroupShuffle(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b (2 c) t
        b, c, t = x.shape
        sizes = (2, c // 2) if self.way == "groups" else (c // 2, 2)
        return x.view(b, *sizes, t).transpose(1, 2).reshape(b, c, t)


class GroupShuffleByIndex(nn.Module):
    def forward(self, x):
        c = x.shape[1] // 2 * 2
        i = torch.arange(c)
        return x[:, i % 2 * (c // 2) + i // 2]


class QueryKeyValue(nn.Module):
    """Parts of a fused projection: (3 heads), or (heads 3)."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b t (3 n 2)
        b, t, c = x.shape
        n = c // 6
        if self.way == "chunk":
            q, k, v = (one.view(b, t, n, 2) for one in x.view(b, t, 3 * n, 2).split(n, 2))
        elif self.way == "heads":
            q, k, v = x.view(b, t, n, 3, 2).unbind(3)
        else:
            q, k, v = x.view(b, t, 3, n, 2).unbind(2)
        return q * 2 + k * 3 + v


MUTANTS = [
    Mutant(
        "heads-viewed",
        ":Heads('transpose')",
        ":Heads('view')",
        "b=2 t=1 c=4",
        "no transpose before the heads",
        ":Heads('chunk')",
    ),
    Mutant(
        "heads-joined",
        ":HeadsJoined('transpose')",
        ":HeadsJoined('view')",
        "b=2 n=2 t=1 d=3",
        "no transpose behind the heads",
        ":HeadsJoined('cat')",
    ),
    Mutant(
        "patches-by-columns",
        ":PatchOrder('rows')",
        ":PatchOrder('columns')",
        "b=2 c=2 h=2 w=6",
        "(w h) for (h w)",
        ":PatchOrder('unfold')",
    ),
    Mutant(
        "patches-by-columns-3",
        ":PatchOrder('rows', 3)",
        ":PatchOrder('columns', 3)",
        "b=2 c=2 h=3 w=6",
        "(w h) for (h w)",
        ":PatchOrder('unfold', 3)",
    ),
    Mutant(
        "unfold-viewed",
        ":PatchOrder('rows')",
        ":PatchOrder('unfold-view')",
        "b=2 c=2 h=2 w=2",
        "columns of unfold are not transposed",
    ),
    Mutant(
        "shuffle-behind",
        "PixelShuffle(2)",
        ":Shuffled('behind')",
        "b=2 c=4 h=3 w=3",
        "(r r c) for (c r r)",
        ":Shuffled('before')",
    ),
    Mutant(
        "group-shuffle",
        ":GroupShuffle('groups')",
        ":GroupShuffle('members')",
        "b=2 c=4 t=3",
        "members are taken for groups",
        ":GroupShuffleByIndex()",
    ),
    Mutant(
        "fused-heads",
        ":QueryKeyValue('parts')",
        ":QueryKeyValue('heads')",
        "b=2 t=3 c=6",
        "(n 3) for (3 n)",
        ":QueryKeyValue('chunk')",
    ),
]
