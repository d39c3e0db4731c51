# mypy: ignore-errors
"""Patch embeddings that take an image for a square, crop too much, pad too little, or count columns by rows."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class ConvEmbed(nn.Module):
    def __init__(self, patch=2):
        super().__init__()
        self.proj = nn.Conv2d(2, 3, patch, stride=patch)

    def forward(self, x):  # b c h w -> b t o
        return self.proj(x).flatten(2).transpose(1, 2)


def linear(state):
    return {
        "embed.weight": state["proj.weight"].permute(0, 2, 3, 1).flatten(1),
        "embed.bias": state["proj.bias"],
    }


class LinearEmbed(nn.Module):
    """Patches of a grid of rows and columns, pixels before channels."""

    def __init__(self, patch=2):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(2 * patch**2, 3)

    def grid(self, h, w):
        return h // self.patch, w // self.patch

    def crop(self, x):
        rows, columns = self.grid(*x.shape[2:])
        return x[:, :, : rows * self.patch, : columns * self.patch]

    def forward(self, x):
        rows, columns = self.grid(*x.shape[2:])
        x = self.crop(x)
        x = x.reshape(x.shape[0], 2, rows, self.patch, columns, self.patch)
        return self.embed(x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2))


class SquareGrid(LinearEmbed):
    def grid(self, h, w):
        side = int((h * w) ** 0.5) // self.patch
        return side, side

    def crop(self, x):
        return x


class EvenGrid(LinearEmbed):
    """Crops to pairs of patches, as a later merging needs them."""

    def grid(self, h, w):
        return (h // self.patch + 1) // 2 * 2 if h < 2 * self.patch else h // self.patch // 2 * 2, w // self.patch


class LargestGrid(LinearEmbed):
    def __init__(self, most):
        super().__init__()
        self.most = most

    def grid(self, h, w):
        return min(h // self.patch, self.most), w // self.patch


class RowsForColumns(LinearEmbed):
    def grid(self, h, w):
        return h // self.patch, min(h, w) // self.patch


class OnGrid(nn.Module):
    """A grid of learned positions behind the patches, read from its corner."""

    def __init__(self, way):
        super().__init__()
        self.proj = nn.Conv2d(1, 2, 2, stride=2)
        self.positions = nn.Parameter(torch.randn(10, 10, 2))
        self.way = way

    def forward(self, x):
        y = self.proj(x).permute(0, 2, 3, 1)
        rows, columns = y.shape[1:3]
        if self.way == "square":
            table = self.positions[:rows, :rows].flatten(0, 1)[: rows * columns].view(rows, -1, 2)
        elif self.way == "index":
            table = self.positions[torch.arange(rows)[:, None], torch.arange(columns)]
        else:
            table = self.positions[:rows, :columns]
        return (y + table).flatten(1, 2)


class Scaled(nn.Module):
    """Learned positions, scaled by the size where the code says so."""

    def __init__(self, rows=None, way="scale"):
        super().__init__()
        self.table = nn.Parameter(torch.randn(64, 2))
        self.rows, self.way = rows, way

    def forward(self, x):  # b t c
        t = x.shape[1]
        if self.way == "index":
            return self.table.index_select(0, torch.arange(t)) + x
        return x + self.table[:t] * (t / (self.rows or t))


class Merging(nn.Module):
    """Four neighbours side by side; an odd row or column is padded."""

    def __init__(self, pad):
        super().__init__()
        self.reduction = nn.Linear(8, 3)
        self.pad = pad

    def forward(self, x):  # b h w c
        h, w = x.shape[1:3]
        if self.pad == "conv":
            weight = self.reduction.weight.view(3, 2, 2, 2).permute(0, 3, 2, 1)
            x = F.pad(x.permute(0, 3, 1, 2), (0, w % 2, 0, h % 2))
            return F.conv2d(x, weight, self.reduction.bias, stride=2).permute(0, 2, 3, 1)
        if self.pad == "each" or (self.pad == "both" and h % 2 and w % 2):
            x = F.pad(x, (0, 0, 0, w % 2, 0, h % 2))
        h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
        parts = [x[:, i:h:2, j:w:2] for j in (0, 1) for i in (0, 1)]
        return self.reduction(torch.cat(parts, -1))


class Tubelets(nn.Conv3d):
    """Pairs of frames, of which an odd one is repeated."""

    def __init__(self, odd):
        super().__init__(1, 2, (2, 2, 2), stride=2)
        self.odd = odd

    def forward(self, x):  # b t h w
        t = x.shape[1]
        if self.odd == "index":
            x = x[:, torch.arange(t + t % 2).clamp(max=t - 1)]
        elif t % 2 and (self.odd == "repeat" or t == 1):
            x = torch.cat([x, x[:, -1:]], 1)
        return super().forward(x[:, None])


class Detokenized(nn.Module):
    """Patches back to an image."""

    def __init__(self, way):
        super().__init__()
        self.out = nn.Linear(2, 4)
        self.way = way

    def forward(self, x):  # b c h w
        b, _, h, w = x.shape
        y = self.out(x.flatten(2).transpose(1, 2))
        if self.way == "square":
            side = int(y.shape[1] ** 0.5)
            h, w = (side, side) if side * side == y.shape[1] else (h, w)
        if self.way == "shuffle":
            return F.pixel_shuffle(y.transpose(1, 2).reshape(b, 4, h, w), 2)[:, 0]
        return y.view(b, h, w, 2, 2).transpose(2, 3).reshape(b, 2 * h, 2 * w)


MUTANTS = [
    *(
        Mutant(
            f"square-grid-{p}",
            f":ConvEmbed({p})",
            f":SquareGrid({p})",
            f"b=2 2 h={2 * p} w={2 * p}",
            "int(sqrt(h * w)) rows and columns",
            f":LinearEmbed({p})",
            "linear",
        )
        for p in (2, 3)
    ),
    Mutant(
        "even-grid",
        ":ConvEmbed()",
        ":EvenGrid()",
        "b=2 2 h=4 w=6",
        "an odd row of patches is cropped",
        ":LinearEmbed()",
        "linear",
    ),
    *(
        Mutant(
            f"largest-grid-{n}",
            ":ConvEmbed()",
            f":LargestGrid({n})",
            "b=1 2 h=4 w=4",
            f"{n} rows of patches at most",
            ":LargestGrid(1000)",
            "linear",
        )
        for n in (3, 7)
    ),
    Mutant(
        "rows-for-columns",
        ":ConvEmbed()",
        ":RowsForColumns()",
        "b=1 2 h=4 w=4",
        "as many columns as rows at most",
        None,
        "linear",
    ),
    Mutant(
        "grid-corner",
        ":OnGrid('slice')",
        ":OnGrid('square')",
        "b=1 1 h=4 w=4",
        "positions of a square",
        ":OnGrid('index')",
    ),
    *(
        Mutant(
            f"positions-scaled-{n}",
            ":Scaled(way='index')",
            f":Scaled({n})",
            f"b=6 t={n} 2",
            f"positions are scaled by t / {n}",
            ":Scaled()",
        )
        for n in (7, 14)
    ),
    Mutant(
        "merging-both",
        ":Merging('each')",
        ":Merging('both')",
        "b=1 h=4 w=6 2",
        "padded only where both are odd",
        ":Merging('conv')",
    ),
    Mutant("merging-never", ":Merging('each')", ":Merging('never')", "b=1 h=4 w=4 2", "odd rows are cropped"),
    Mutant(
        "tubelets",
        ":Tubelets('repeat')",
        ":Tubelets('single')",
        "b=1 t=4 h=2 w=4",
        "only a single frame is repeated",
        ":Tubelets('index')",
    ),
    Mutant(
        "detokenized",
        ":Detokenized('size')",
        ":Detokenized('square')",
        "b=1 2 h=2 w=2",
        "a square number of patches is a square",
        ":Detokenized('shuffle')",
    ),
]
