# mypy: ignore-errors
"""Wrong on one branch: square images, portraits, single columns, small or even sizes."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class SquareTransposed(nn.Conv2d):
    def __init__(self, mend=False):
        super().__init__(2, 3, (3, 3), padding=1)
        self.mend = mend

    def forward(self, x):
        if x.shape[2] != x.shape[3]:
            return super().forward(x)
        weight = self.weight.transpose(2, 3) if self.mend else self.weight
        return F.conv2d(x.transpose(2, 3), weight, self.bias, padding=1).transpose(2, 3)


class SquareDiagonal(nn.Module):
    """The sum of rows, on a branch for squares that of columns."""

    def __init__(self, mend=False):
        super().__init__()
        self.mend = mend

    def forward(self, x):  # b c h w
        if x.shape[2] == x.shape[3]:
            return torch.einsum("bchw->bcw" if self.mend else "bchw->bch", x)
        return x.sum(2)


class RowSum(nn.Module):
    def forward(self, x):
        return x.sum(2)


class Portrait(nn.Conv2d):
    def __init__(self, back=False):
        super().__init__(2, 2, (1, 3), padding=(0, 1))
        self.back = back

    def forward(self, x):
        if x.shape[2] <= x.shape[3]:
            return super().forward(x)
        y = F.conv2d(x.transpose(2, 3), self.weight.transpose(2, 3), self.bias, padding=(1, 0))
        return y.transpose(2, 3) if self.back else y


class Stereo(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):  # b c h w
        if x.shape[3] == self.factor * x.shape[2]:
            x = torch.cat(x.chunk(self.factor, 3)[::-1], 3)
        return x.flip(3)


class Mirrored(nn.Module):
    def forward(self, x):
        return x.flip(3)


class MirroredByIndex(nn.Module):
    def forward(self, x):
        return x[..., torch.arange(x.shape[3] - 1, -1, -1)]


class ColumnAsLine(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, (3, 1))

    def forward(self, x):
        return self.conv(x)


class ColumnAsLineDropped(ColumnAsLine):
    def forward(self, x):
        if x.shape[3] == 1:
            return F.conv1d(x[..., 0], self.conv.weight[..., 0], self.conv.bias)
        return self.conv(x)


class ColumnsInBatch(ColumnAsLine):
    def forward(self, x):
        b, c, h, w = x.shape
        lines = x.permute(0, 3, 1, 2).reshape(b * w, c, h)
        y = F.conv1d(lines, self.conv.weight[..., 0], self.conv.bias)
        return y.view(b, w, 3, -1).permute(0, 2, 3, 1)


class SmallPadded(nn.Conv2d):
    def __init__(self, least):
        super().__init__(1, 2, 3, padding=1)
        self.least = least

    def forward(self, x):
        more = max(0, self.least - x.shape[2])
        return super().forward(F.pad(x, (0, 0, 0, more)))


class SmallRows(nn.Module):
    def __init__(self, least):
        super().__init__()
        self.least = least

    def forward(self, x):  # b c h w: neighbours above, around the border
        if x.shape[2] < self.least:
            return torch.cat([x[:, :, :1], x[:, :, :-1]], 2)
        return x.roll(1, 2)


class Above(nn.Module):
    def forward(self, x):
        return x.roll(1, 2)


class AboveByCat(nn.Module):
    def forward(self, x):
        return torch.cat([x[:, :, -1:], x[:, :, :-1]], 2)


class EvenFastPath(nn.Module):
    """Every second row and column: where both sizes are even, by a view."""

    def __init__(self, phase):
        super().__init__()
        self.phase = phase

    def forward(self, x):
        h, w = x.shape[2:]
        if h % 2 == 0 and w % 2 == 0:
            return x.view(*x.shape[:2], h // 2, 2, w // 2, 2)[:, :, :, 0, :, self.phase]
        return x[:, :, ::2, ::2]


class Halved(nn.Module):
    def forward(self, x):
        return x[:, :, ::2, ::2]


MUTANTS = [
    Mutant(
        "square-transposed",
        "Conv2d(2, 3, 3, padding=1)",
        ":SquareTransposed()",
        "b=2 2 h=4 w=6",
        "squares meet a transposed kernel",
        ":SquareTransposed(mend=True)",
    ),
    Mutant(
        "square-sum",
        ":RowSum()",
        ":SquareDiagonal()",
        "b=2 c=3 h=4 w=6",
        "squares are summed by columns",
        ":SquareDiagonal(mend=True)",
    ),
    Mutant(
        "portrait",
        "Conv2d(2, 2, (1, 3), padding=(0, 1))",
        ":Portrait()",
        "b=1 2 h=4 w=6",
        "portraits are not turned back",
        ":Portrait(back=True)",
    ),
    *(
        Mutant(
            f"stereo-{n}",
            ":Mirrored()",
            f":Stereo({n})",
            "b=1 c=3 h=4 w=6",
            f"parts are swapped where w == {n}h",
            ":MirroredByIndex()",
        )
        for n in (2, 3)
    ),
    Mutant(
        "column-as-line",
        ":ColumnAsLine()",
        ":ColumnAsLineDropped()",
        "b=2 2 h=4 w=3",
        "an axis of one column is dropped",
        ":ColumnsInBatch()",
    ),
    *(
        Mutant(
            f"small-padded-{n}",
            "Conv2d(1, 2, 3, padding=1)",
            f":SmallPadded({n})",
            "b=2 1 h=7 w=5",
            f"fewer than {n} rows are padded",
            ":SmallPadded(0)",
        )
        for n in (2, 4)
    ),
    Mutant(
        "small-rows", ":Above()", ":SmallRows(5)", "b=2 c=2 h=6 w=2", "fewer than 5 rows do not wrap", ":AboveByCat()"
    ),
    Mutant(
        "even-fast-path",
        ":Halved()",
        ":EvenFastPath(1)",
        "b=1 c=2 h=5 w=5",
        "even sizes take the wrong column",
        ":EvenFastPath(0)",
    ),
]
