# mypy: ignore-errors
"""Wrong on one branch: wide layers, single frames and tokens, inputs that are taken for others."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


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


MUTANTS = [
    *(
        Mutant(
            f"wide-shuffle-{n}",
            ":ChannelShuffle()",
            f":ChannelShuffle({n})",
            "b=2 c=4 t=3",
            f"groups of two above {n} channels",
            ":ChannelShuffleStrided()",
        )
        for n in (4, 8)
    ),
    *(
        Mutant(
            f"wide-sum-{n}",
            ":ChannelTotal()",
            f":ChannelSum({n})",
            "b=2 c=6 t=3",
            f"halves above {n} channels",
            ":ChannelSumByProduct()",
        )
        for n in (8, 16)
    ),
    Mutant(
        "wide-conv",
        "Conv1d({i}, 2, 2)",
        ":WideConv({i})",
        "b=2 i=4 t=3",
        "half of more than 8 channels is read",
        ":WideConv({i}, mend=True)",
    ),
    *(
        Mutant(f"blue-first-{n}", ":Doubled()", f":BlueFirst({n})", "b=2 c=2 h=4 w=4", f"{n} channels are reversed")
        for n in (3, 4)
    ),
    Mutant(
        "channels-last-like",
        ":ChannelTotal()",
        ":ChannelsLastLike()",
        "b=2 c=4 h=5 w=5",
        "three columns are taken for colours",
        ":ChannelSumOfImage()",
    ),
    Mutant(
        "unbatched-like",
        ":Same()",
        ":Unbatched()",
        "b=2 h=4 w=4",
        "three samples are taken for colours",
        ":Unbatched(checked=True)",
    ),
    Mutant(
        "single-frame",
        "Conv3d(1, 2, (3, 2, 2), padding=(1, 0, 0))",
        ":SingleFrame(0)",
        "b=1 1 t=3 h=3 w=3",
        "a single frame meets the first slice",
        ":SingleFrame(1)",
    ),
    Mutant(
        "decode",
        ":Decode()",
        ":Decode(scaled=False)",
        "b=2 t=3 2",
        "a single token's bias is not scaled",
        ":DecodeFolded()",
    ),
]
