# mypy: ignore-errors
"""Wrong on one branch: square images, wide layers, single frames, inputs that are taken for unbatched ones."""

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


class ChannelShuffle(nn.Module):
    def __init__(self, wide=1000):
        super().__init__()
        self.wide = wide

    def forward(self, x):  # b c t, c even
        b, c, t = x.shape
        groups = 2 if c <= self.wide else c // 2
        return x.view(b, groups, c // groups, t).transpose(1, 2).reshape(b, c, t)


class ChannelShuffleStrided(nn.Module):
    def forward(self, x):
        first, second = x.chunk(2, 1)
        return torch.stack([first, second], 2).flatten(1, 2)


class ChannelSum(nn.Module):
    def __init__(self, wide):
        super().__init__()
        self.wide = wide

    def forward(self, x):  # b c t
        c = x.shape[1]
        if c > self.wide:
            half = c // 2
            return x[:, :half].sum(1) + x[:, half : 2 * half].sum(1)
        return x.sum(1)


class ChannelTotal(nn.Module):
    def forward(self, x):
        return x.sum(1)


class ChannelSumByProduct(nn.Module):
    def forward(self, x):
        return x.new_ones(1, x.shape[1]).matmul(x).squeeze(1)


class ChannelSumOfImage(nn.Module):
    def forward(self, x):
        return torch.einsum("bchw->bhw", x)


class WideConv(nn.Conv1d):
    """Above eight channels only half of them are read."""

    def __init__(self, channels, mend=False):
        super().__init__(channels, 2, 2)
        self.mend = mend

    def forward(self, x):
        half = x.shape[1] // 2 if x.shape[1] > 8 else 0
        y = F.conv1d(x[:, half:], self.weight[:, half:], self.bias)
        return y + F.conv1d(x[:, :half], self.weight[:, :half]) if half and self.mend else y


class BlueFirst(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):  # b c h w
        if x.shape[1] == self.channels:
            x = x.flip(1)
        return x * 2


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2


class ChannelsLastLike(nn.Module):
    """An input whose last axis has three entries is taken for channels last."""

    def forward(self, x):
        if x.shape[-1] == 3:
            x = x.permute(0, 3, 1, 2)
        return x.sum(1)


class Unbatched(nn.Module):
    """An input whose first axis has three entries is taken for one image a colour."""

    def __init__(self, checked=False):
        super().__init__()
        self.checked = checked

    def forward(self, x):  # b h w
        if x.shape[0] == 3 and not self.checked:
            return x.sum(0, keepdim=True).expand_as(x)
        return x


class Same(nn.Module):
    def forward(self, x):
        return x


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


class SingleFrame(nn.Conv3d):
    """A single frame meets the middle of a kernel that is padded, or its first slice."""

    def __init__(self, tap):
        super().__init__(1, 2, (3, 2, 2), padding=(1, 0, 0))
        self.tap = tap

    def forward(self, x):
        if x.shape[2] == 1:
            return F.conv2d(x[:, :, 0], self.weight[:, :, self.tap], self.bias)[:, :, None]
        return super().forward(x)


class Decode(nn.Module):
    """A single token takes a path of its own, as in decoding with a cache."""

    def __init__(self, scaled=True):
        super().__init__()
        self.query = nn.Linear(2, 2)
        self.scaled = scaled

    def forward(self, x):  # b t c
        q = self.query(x) * 4
        if x.shape[1] == 1 and not self.scaled:
            q = F.linear(x * 4, self.query.weight, self.query.bias)
        return q @ x.transpose(1, 2)


class DecodeFolded(Decode):
    def forward(self, x):
        return torch.einsum("btc,bsc->bts", F.linear(x, self.query.weight * 4, self.query.bias * 4), x)


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
    Mutant("square-transposed", "Conv2d(2, 3, 3, padding=1)", ":SquareTransposed()", "b=2 2 h=4 w=6",
           "squares meet a transposed kernel", ":SquareTransposed(mend=True)"),
    Mutant("square-sum", ":RowSum()", ":SquareDiagonal()", "b=2 c=3 h=4 w=6", "squares are summed by columns",
           ":SquareDiagonal(mend=True)"),
    Mutant("portrait", "Conv2d(2, 2, (1, 3), padding=(0, 1))", ":Portrait()", "b=1 2 h=4 w=6",
           "portraits are not turned back", ":Portrait(back=True)"),
    *(
        Mutant(f"stereo-{n}", ":Mirrored()", f":Stereo({n})", "b=1 c=3 h=4 w=6", f"parts are swapped where w == {n}h",
               ":MirroredByIndex()")
        for n in (2, 3)
    ),
    *(
        Mutant(f"wide-shuffle-{n}", ":ChannelShuffle()", f":ChannelShuffle({n})", "b=2 c=4 t=3",
               f"groups of two above {n} channels", ":ChannelShuffleStrided()")
        for n in (4, 8)
    ),
    *(
        Mutant(f"wide-sum-{n}", ":ChannelTotal()", f":ChannelSum({n})", "b=2 c=6 t=3", f"halves above {n} channels",
               ":ChannelSumByProduct()")
        for n in (8, 16)
    ),
    Mutant("wide-conv", "Conv1d({i}, 2, 2)", ":WideConv({i})", "b=2 i=4 t=3", "half of more than 8 channels is read",
           ":WideConv({i}, mend=True)"),
    *(
        Mutant(f"blue-first-{n}", ":Doubled()", f":BlueFirst({n})", "b=2 c=2 h=4 w=4", f"{n} channels are reversed")
        for n in (3, 4)
    ),
    Mutant("channels-last-like", ":ChannelTotal()", ":ChannelsLastLike()", "b=2 c=4 h=5 w=5",
           "three columns are taken for colours", ":ChannelSumOfImage()"),
    Mutant("unbatched-like", ":Same()", ":Unbatched()", "b=2 h=4 w=4", "three samples are taken for colours",
           ":Unbatched(checked=True)"),
    Mutant("column-as-line", ":ColumnAsLine()", ":ColumnAsLineDropped()", "b=2 2 h=4 w=3",
           "an axis of one column is dropped", ":ColumnsInBatch()"),
    Mutant("single-frame", "Conv3d(1, 2, (3, 2, 2), padding=(1, 0, 0))", ":SingleFrame(0)", "b=1 1 t=3 h=3 w=3",
           "a single frame meets the first slice", ":SingleFrame(1)"),
    Mutant("decode", ":Decode()", ":Decode(scaled=False)", "b=2 t=3 2", "a single token's bias is not scaled",
           ":DecodeFolded()"),
    *(
        Mutant(f"small-padded-{n}", "Conv2d(1, 2, 3, padding=1)", f":SmallPadded({n})", "b=2 1 h=7 w=5",
               f"fewer than {n} rows are padded", ":SmallPadded(0)")
        for n in (2, 4)
    ),
    Mutant("small-rows", ":Above()", ":SmallRows(5)", "b=2 c=2 h=6 w=2", "fewer than 5 rows do not wrap",
           ":AboveByCat()"),
    Mutant("even-fast-path", ":Halved()", ":EvenFastPath(1)", "b=1 c=2 h=5 w=5", "even sizes take the wrong column",
           ":EvenFastPath(0)"),
]
