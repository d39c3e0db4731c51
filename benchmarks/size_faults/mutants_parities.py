# mypy: ignore-errors
"""Wrong for odd sizes or for even ones: paddings, middles, halves, frames in pairs."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class SameConv(nn.Conv1d):
    """Stride 2 and padding `same`, as TensorFlow has it."""

    def __init__(self):
        super().__init__(2, 3, 3, stride=2)

    def padding_of(self, t):
        total = max((-(-t // 2) - 1) * 2 + 3 - t, 0)
        return total // 2, total - total // 2

    def forward(self, x):
        return super().forward(F.pad(x, self.padding_of(x.shape[2])))


class SameConvEven(SameConv):
    def padding_of(self, _):
        return 0, 1


class SameConvOdd(SameConv):
    def padding_of(self, _):
        return 1, 1


class SameConvTwice(SameConv):
    def padding_of(self, t):
        return t % 2, 1


class HalvesSwapped(nn.Module):
    def forward(self, x):  # b c t
        return x.roll(x.shape[2] // 2, 2)


class HalvesSwappedUp(nn.Module):
    def forward(self, x):
        return x.roll((x.shape[2] + 1) // 2, 2)


class HalvesJoined(nn.Module):
    def forward(self, x):
        cut = x.shape[2] - x.shape[2] // 2
        return torch.cat([x[..., cut:], x[..., :cut]], -1)


class HalvesChunked(nn.Module):
    def forward(self, x):
        half = x.shape[2] // 2
        return torch.cat([x[..., half:], x[..., :half]], -1)


class TwoPhases(nn.Conv1d):
    def __init__(self, dropped):
        super().__init__(2, 3, 2, stride=2, padding=1)
        self.dropped = dropped

    def forward(self, x):
        even, odd = x[..., ::2], F.pad(x[..., 1::2], (1, 0))
        n = (x.shape[2] + 1) // 2 if self.dropped else x.shape[2] // 2 + 1
        even = F.pad(even, (0, max(0, n - even.shape[2])))[..., :n]
        odd = F.pad(odd, (0, max(0, n - odd.shape[2])))[..., :n]
        first, second = self.weight.unbind(-1)
        return torch.einsum("oi,bit->bot", first, odd) + torch.einsum("oi,bit->bot", second, even) + self.bias[:, None]


class CenterCrop(nn.Module):
    def __init__(self, side, up=0):
        super().__init__()
        self.side, self.up = side, up

    def forward(self, x):
        for dim in (2, 3):
            x = x.narrow(dim, (x.shape[dim] - self.side + self.up) // 2, self.side)
        return x


class CenterSlices(CenterCrop):
    def forward(self, x):
        top, left = ((size - self.side) // 2 for size in x.shape[2:])
        return x[:, :, top : top + self.side, left : left + self.side]


class CenterRow(nn.Module):
    def __init__(self, up=0):
        super().__init__()
        self.up = up

    def forward(self, x):
        return x[:, :, (x.shape[2] - self.up) // 2]


class CenterOfRoll(nn.Module):
    def forward(self, x):
        return x.roll(-(x.shape[2] // 2), 2)[:, :, 0]


class FramePairs(nn.Conv3d):
    def __init__(self, repeat_last):
        super().__init__(1, 2, (2, 1, 1), stride=(2, 1, 1))
        self.repeat_last = repeat_last

    def forward(self, x):  # b c t h w
        if self.repeat_last and x.shape[2] % 2:
            x = torch.cat([x, x[:, :, -1:]], 2)
        return super().forward(x)


class FramePairsReplicated(nn.Conv3d):
    def __init__(self):
        super().__init__(1, 2, (2, 1, 1), stride=(2, 1, 1))

    def forward(self, x):
        first, last = x[:, :, ::2], x[:, :, 1::2]
        if first.shape[2] > last.shape[2]:
            last = torch.cat([last, first[:, :, -1:]], 2)
        return F.conv3d(torch.cat([first, last], 1), self.weight.reshape(2, 2, 1, 1, 1), self.bias)


class DownAndUp(nn.Module):
    def __init__(self, fix):
        super().__init__()
        self.down = nn.Conv1d(2, 3, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose1d(3, 2, 3, stride=2, padding=1)
        self.fix = fix

    def forward(self, x):
        y = self.down(x)
        if self.fix == "size":
            return self.up(y, output_size=x.shape[2:])
        more = 1 if self.fix == "one" else (x.shape[2] + 1) % 2
        return F.conv_transpose1d(y, self.up.weight, self.up.bias, 2, 1, output_padding=more)


class Alternating(nn.Module):
    """Signs that alternate from the last position backwards, or from the first on."""

    def __init__(self, backwards):
        super().__init__()
        self.backwards = backwards

    def forward(self, x):  # b c t
        t = torch.arange(x.shape[2])
        return x * (1 - 2 * ((t.flip(0) if self.backwards else t) % 2))


class AlternatingByFlip(nn.Module):
    def forward(self, x):
        y = x.flip(2).clone()
        y[..., 1::2] *= -1
        return y.flip(2)


MUTANTS = [
    Mutant("same-even", ":SameConv()", ":SameConvEven()", "b=2 2 t=8", "the padding of even sizes", ":SameConvTwice()"),
    Mutant("same-odd", ":SameConv()", ":SameConvOdd()", "b=2 2 t=7", "the padding of odd sizes", ":SameConvTwice()"),
    Mutant(
        "halves-rolled",
        ":HalvesSwapped()",
        ":HalvesSwappedUp()",
        "b=2 c=2 t=8",
        "ifftshift for fftshift",
        ":HalvesJoined()",
    ),
    Mutant("halves-chunked", ":HalvesSwapped()", ":HalvesChunked()", "b=2 c=2 t=6", "the cut is before the middle"),
    Mutant(
        "two-phases",
        "Conv1d(2, 3, 2, stride=2, padding=1)",
        ":TwoPhases(True)",
        "b=1 2 t=7",
        "the last window is dropped for even sizes",
        ":TwoPhases(False)",
    ),
    *(
        Mutant(
            f"center-crop-{n}",
            f":CenterCrop({n})",
            f":CenterCrop({n}, up=1)",
            f"b=2 3 h={n + 2} w={n + 4}",
            "the offset is rounded up",
            f":CenterSlices({n})",
        )
        for n in (1, 4)
    ),
    Mutant(
        "center-row", ":CenterRow()", ":CenterRow(1)", "b=2 c=3 h=7 w=4", "(h - 1) // 2 for h // 2", ":CenterOfRoll()"
    ),
    Mutant(
        "frame-pairs",
        ":FramePairs(True)",
        ":FramePairs(False)",
        "b=1 1 t=4 h=2 w=3",
        "an odd frame is not repeated",
        ":FramePairsReplicated()",
    ),
    Mutant(
        "down-and-up",
        ":DownAndUp('size')",
        ":DownAndUp('one')",
        "b=2 2 t=8",
        "output_padding for even sizes",
        ":DownAndUp('parity')",
    ),
    Mutant(
        "alternating",
        ":Alternating(True)",
        ":Alternating(False)",
        "b=2 c=2 t=7",
        "signs begin at the wrong end",
        ":AlternatingByFlip()",
    ),
]
