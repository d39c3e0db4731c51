# mypy: ignore-errors
"""Wrong orders of axes, which do no harm where a size is one, or two are equal."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class Tokens(nn.Module):
    def forward(self, x):  # b c h w -> b (h w) c
        return x.flatten(2).transpose(1, 2)


class TokensViewed(nn.Module):
    def forward(self, x):
        b, c, h, w = x.shape
        return x.reshape(b, h * w, c)


class TokensColumnsFirst(nn.Module):
    def forward(self, x):
        return x.transpose(2, 3).flatten(2).mT


class TokensPermuted(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1, 2)


class TokenProjection(nn.Module):
    """Features of images, projected one position after the other."""

    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(2, 3)

    def forward(self, x):  # b c t
        return self.proj(x.transpose(1, 2))


class TokenProjectionViewed(TokenProjection):
    def forward(self, x):
        return self.proj(x.reshape(x.shape[0], x.shape[2], x.shape[1]))


class TokenProjectionByProduct(TokenProjection):
    def forward(self, x):
        return torch.einsum("bit,oi->bto", x, self.proj.weight) + self.proj.bias


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


class FramesMerged(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b c t h -> (b t) c h
        b, c, t, h = x.shape
        if self.way == "reshape":
            return x.reshape(b * t, c, h)
        if self.way == "time":
            return x.permute(2, 0, 1, 3).flatten(0, 1)
        if self.way == "unbind":
            return torch.stack(x.unbind(2), 1).flatten(0, 1)
        return x.transpose(1, 2).reshape(b * t, c, h)


class TimeMajor(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b t c: sums over the samples
        b, t, c = x.shape
        if self.way == "view":
            return x.reshape(t, b, c).sum(1)
        return x.transpose(0, 1).sum(1) if self.way == "transpose" else torch.einsum("btc->tc", x)


class Transposed(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b c h w
        b, c, h, w = x.shape
        if self.way == "view":
            return x.reshape(b, c, w, h)
        if self.way == "rotate":
            return x.rot90(1, (2, 3))
        return x.mT if self.way == "transpose" else x.permute(0, 1, 3, 2)


class Flattened(nn.Module):
    """Channels first or last before a product with positions' numbers."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):  # b c t
        x = x.transpose(1, 2) if self.way == "last" else x
        return x.flatten(1)


class FlattenedStacked(nn.Module):
    def forward(self, x):
        return torch.cat(x.unbind(1), 1)


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
    Mutant("tokens-viewed", ":Tokens()", ":TokensViewed()", "b=2 c=1 h=4 w=5", "a view for a permute",
           ":TokensPermuted()"),
    Mutant("tokens-viewed-at-a-point", ":Tokens()", ":TokensViewed()", "b=2 c=3 h=1 w=1", "a view for a permute"),
    Mutant("tokens-columns", ":Tokens()", ":TokensColumnsFirst()", "b=2 c=3 h=1 w=5", "columns come before rows"),
    Mutant("projection-viewed", ":TokenProjection()", ":TokenProjectionViewed()", "b=2 2 t=1",
           "a view for a transpose", ":TokenProjectionByProduct()"),
    Mutant("heads-viewed", ":Heads('transpose')", ":Heads('view')", "b=2 t=1 c=4", "no transpose before the heads",
           ":Heads('chunk')"),
    Mutant("heads-joined", ":HeadsJoined('transpose')", ":HeadsJoined('view')", "b=2 n=2 t=1 d=3",
           "no transpose behind the heads", ":HeadsJoined('cat')"),
    Mutant("patches-by-columns", ":PatchOrder('rows')", ":PatchOrder('columns')", "b=2 c=2 h=2 w=6",
           "(w h) for (h w)", ":PatchOrder('unfold')"),
    Mutant("patches-by-columns-3", ":PatchOrder('rows', 3)", ":PatchOrder('columns', 3)", "b=2 c=2 h=3 w=6",
           "(w h) for (h w)", ":PatchOrder('unfold', 3)"),
    Mutant("unfold-viewed", ":PatchOrder('rows')", ":PatchOrder('unfold-view')", "b=2 c=2 h=2 w=2",
           "columns of unfold are not transposed"),
    Mutant("shuffle-behind", "PixelShuffle(2)", ":Shuffled('behind')", "b=2 c=4 h=3 w=3", "(r r c) for (c r r)",
           ":Shuffled('before')"),
    Mutant("group-shuffle", ":GroupShuffle('groups')", ":GroupShuffle('members')", "b=2 c=4 t=3",
           "members are taken for groups", ":GroupShuffleByIndex()"),
    Mutant("frames-reshaped", ":FramesMerged('transpose')", ":FramesMerged('reshape')", "b=2 c=3 t=1 h=4",
           "channels and frames are mixed", ":FramesMerged('unbind')"),
    Mutant("frames-time-first", ":FramesMerged('transpose')", ":FramesMerged('time')", "b=1 c=3 t=2 h=4",
           "(t b) for (b t)"),
    Mutant("time-major", ":TimeMajor('transpose')", ":TimeMajor('view')", "b=1 t=4 c=3", "a view for a transpose",
           ":TimeMajor('einsum')"),
    Mutant("transposed-viewed", ":Transposed('transpose')", ":Transposed('view')", "b=2 c=2 h=1 w=5",
           "a view for a transpose", ":Transposed('permute')"),
    Mutant("transposed-rotated", ":Transposed('transpose')", ":Transposed('rotate')", "b=2 c=2 h=5 w=1",
           "a rotation for a transpose"),
    Mutant("flattened-last", ":Flattened('first')", ":Flattened('last')", "b=2 c=1 t=5", "channels last",
           ":FlattenedStacked()"),
    Mutant("fused-heads", ":QueryKeyValue('parts')", ":QueryKeyValue('heads')", "b=2 t=3 c=6", "(n 3) for (3 n)",
           ":QueryKeyValue('chunk')"),
]
