# mypy: ignore-errors
"""Wrong orders of axes, which do no harm where a size is one."""

import torch
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


MUTANTS = [
    Mutant(
        "tokens-viewed", ":Tokens()", ":TokensViewed()", "b=2 c=1 h=4 w=5", "a view for a permute", ":TokensPermuted()"
    ),
    Mutant("tokens-viewed-at-a-point", ":Tokens()", ":TokensViewed()", "b=2 c=3 h=1 w=1", "a view for a permute"),
    Mutant("tokens-columns", ":Tokens()", ":TokensColumnsFirst()", "b=2 c=3 h=1 w=5", "columns come before rows"),
    Mutant(
        "projection-viewed",
        ":TokenProjection()",
        ":TokenProjectionViewed()",
        "b=5 2 t=1",
        "a view for a transpose",
        ":TokenProjectionByProduct()",
    ),
    Mutant(
        "frames-reshaped",
        ":FramesMerged('transpose')",
        ":FramesMerged('reshape')",
        "b=2 c=3 t=1 h=4",
        "channels and frames are mixed",
        ":FramesMerged('unbind')",
    ),
    Mutant(
        "frames-time-first", ":FramesMerged('transpose')", ":FramesMerged('time')", "b=1 c=3 t=2 h=4", "(t b) for (b t)"
    ),
    Mutant(
        "time-major",
        ":TimeMajor('transpose')",
        ":TimeMajor('view')",
        "b=1 t=4 c=3",
        "a view for a transpose",
        ":TimeMajor('einsum')",
    ),
    Mutant(
        "transposed-viewed",
        ":Transposed('transpose')",
        ":Transposed('view')",
        "b=2 c=2 h=1 w=5",
        "a view for a transpose",
        ":Transposed('permute')",
    ),
    Mutant(
        "transposed-rotated",
        ":Transposed('transpose')",
        ":Transposed('rotate')",
        "b=2 c=2 h=5 w=1",
        "a rotation for a transpose",
    ),
    Mutant(
        "flattened-last",
        ":Flattened('first')",
        ":Flattened('last')",
        "b=2 c=1 t=5",
        "channels last",
        ":FlattenedStacked()",
    ),
]
