# mypy: ignore-errors
"""Wrong for one remainder: last rows that are dropped, floors for ceilings, tails that are left out."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class CropOne(nn.Conv2d):
    def __init__(self, patch, remainder):
        super().__init__(2, 3, 1, stride=patch)
        self.patch, self.remainder = patch, remainder

    def forward(self, x):
        h = x.shape[2]
        if h % self.patch == self.remainder:
            x = x[:, :, : h - self.remainder]
        return super().forward(x)


class Subsampled(nn.Conv2d):
    def __init__(self, patch):
        super().__init__(2, 3, 1, stride=patch)
        self.patch = patch

    def forward(self, x):
        return F.conv2d(x[:, :, :: self.patch, :: self.patch], self.weight, self.bias)


class PatchesPadded(nn.Conv2d):
    def __init__(self, patch):
        super().__init__(1, 2, patch, stride=patch)
        self.patch = patch

    def forward(self, x):
        h, w = x.shape[2:]
        return super().forward(F.pad(x, (0, -w % self.patch, 0, -h % self.patch)))


class PatchesPaddedAlways(PatchesPadded):
    def forward(self, x):
        h, w, p = *x.shape[2:], self.patch
        return super(PatchesPadded, self).forward(F.pad(x, (0, p - w % p, 0, p - h % p)))


class PatchesFloored(PatchesPadded):
    def forward(self, x):
        return super(PatchesPadded, self).forward(x)


class PatchesCounted(PatchesPadded):
    def forward(self, x):
        p = self.patch
        rows, columns = (x.shape[2] + p - 1) // p, (x.shape[3] + p - 1) // p
        x = F.pad(x, (0, columns * p - x.shape[3], 0, rows * p - x.shape[2]))
        patches = x.unfold(2, p, p).unfold(3, p, p)
        return torch.einsum("bihwpq,oipq->bohw", patches, self.weight) + self.bias[:, None, None]


class Pooled(nn.Module):
    def __init__(self, size, ceil):
        super().__init__()
        self.pool = nn.MaxPool2d(size, ceil_mode=ceil)

    def forward(self, x):
        return self.pool(x)


class PooledByShape(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        p = self.size
        h, w = x.shape[2] // p, x.shape[3] // p
        return x[:, :, : h * p, : w * p].reshape(*x.shape[:2], h, p, w, p).amax((3, 5))


class Unrolled(nn.Module):
    """A sum in steps of three."""

    def __init__(self, tail):
        super().__init__()
        self.tail = tail

    def forward(self, x):  # b t c
        t = x.shape[1]
        y = x[:, : t // 3 * 3].unflatten(1, (t // 3, 3)).sum((1, 2))
        if t % 3 > 2 - self.tail:
            y = y + x[:, t // 3 * 3 :].sum(1)
        return y


class Summed(nn.Module):
    def forward(self, x):
        return x.sum(1)


class UpsampledBack(nn.Module):
    def __init__(self, crop):
        super().__init__()
        self.crop = crop

    def forward(self, x):  # b c h w: every second row takes the place of the next
        y = x[:, :, ::2].repeat_interleave(2, dim=2)
        return y[:, :, : x.shape[2]] if self.crop else y


class UpsampledByIndex(nn.Module):
    def forward(self, x):
        return x[:, :, torch.arange(x.shape[2]) // 2 * 2]


class WindowShift(nn.Module):
    """Rows are rolled inside windows of four, of which the last is padded."""

    def __init__(self, always=False):
        super().__init__()
        self.always = always

    def forward(self, x):  # b t c
        t = x.shape[1]
        pad = 4 - t % 4 if self.always else -t % 4
        x = F.pad(x, (0, 0, 0, pad))
        return x.unflatten(1, (-1, 4)).roll(1, 2).flatten(1, 2)


class WindowShiftByIndex(nn.Module):
    def forward(self, x):
        n = (x.shape[1] + 3) // 4 * 4
        i = torch.arange(n)
        return F.pad(x, (0, 0, 0, n - x.shape[1]))[:, i // 4 * 4 + (i + 3) % 4]


class LastStride(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.start = start

    def forward(self, x):
        start = (x.shape[2] - 1) % 3 if self.start == "end" else 0
        return x[:, :, start::3]


class LastStrideByFlip(nn.Module):
    def forward(self, x):
        return x.flip(2)[:, :, ::3].flip(2)


MUTANTS = [
    *(
        Mutant(
            f"last-row-{p}-{r}",
            f"Conv2d(2, 3, 1, stride={p})",
            f":CropOne({p}, {r})",
            f"b=1 2 h={2 * p} w={p + 1}",
            f"the last partial row is dropped where h % {p} == {r}",
            f":Subsampled({p})",
        )
        for p, r in ((4, 3), (4, 1), (3, 2), (5, 4))
    ),
    *(
        Mutant(
            f"patches-padded-{p}",
            f":PatchesPadded({p})",
            f":PatchesPaddedAlways({p})",
            f"b=1 1 h={p + 1} w={p + 1}",
            f"a whole patch is padded where {p} divides",
            f":PatchesCounted({p})",
        )
        for p in (2, 3)
    ),
    *(
        Mutant(
            f"patches-floored-{p}",
            f":PatchesPadded({p})",
            f":PatchesFloored({p})",
            f"b=1 1 h={2 * p} w={2 * p}",
            "floor instead of ceiling",
            f":PatchesCounted({p})",
        )
        for p in (2, 4)
    ),
    *(
        Mutant(
            f"pool-ceil-{p}",
            f"MaxPool2d({p})",
            f":Pooled({p}, True)",
            f"b=1 c=2 h={2 * p} w={3 * p}",
            "ceil_mode",
            f":PooledByShape({p})",
        )
        for p in (2, 3)
    ),
    Mutant("unrolled-by-three", ":Summed()", ":Unrolled(0)", "b=2 t=9 c=2", "a tail is dropped", ":Unrolled(2)"),
    Mutant(
        "unrolled-tail-of-one", ":Summed()", ":Unrolled(1)", "b=2 t=8 c=2", "a tail of one is dropped", ":Unrolled(2)"
    ),
    Mutant(
        "upsampled-back",
        ":UpsampledBack(True)",
        ":UpsampledBack(False)",
        "b=1 c=2 h=6 w=3",
        "an odd row more is returned",
        ":UpsampledByIndex()",
    ),
    Mutant(
        "window-shift",
        ":WindowShift()",
        ":WindowShift(True)",
        "b=2 t=6 c=3",
        "ws - t % ws without a remainder",
        ":WindowShiftByIndex()",
    ),
    Mutant(
        "last-stride",
        ":LastStride('end')",
        ":LastStride('begin')",
        "b=2 c=2 t=7",
        "every third from the wrong end",
        ":LastStrideByFlip()",
    ),
]
