# mypy: ignore-errors
"""Wrong across samples: batches that are folded into other axes, or read where one sample was meant."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class PerSample(nn.Module):
    """Every sample has a kernel of its own: one weight, scaled by the sample's first entry."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2, 2))

    def kernels(self, x):
        return self.weight * x[:, 0, 0].view(-1, 1, 1, 1)

    def forward(self, x):  # b c t
        return torch.cat([F.conv1d(one[None], kernel) for one, kernel in zip(x, self.kernels(x), strict=True)])


class PerSampleGrouped(PerSample):
    def __init__(self, order="batch"):
        super().__init__()
        self.order = order

    def forward(self, x):
        b, c, t = x.shape
        kernels = self.kernels(x)
        kernels = kernels.flatten(0, 1) if self.order == "batch" else kernels.transpose(0, 1).flatten(0, 1)
        return F.conv1d(x.reshape(1, b * c, t), kernels, groups=b).view(b, 3, -1)


class TemporalShift(nn.Module):
    def forward(self, x):  # b t c
        return F.pad(x, (0, 0, 1, 0))[:, :-1]


class TemporalShiftMerged(nn.Module):
    def forward(self, x):
        b, t, c = x.shape
        return F.pad(x.reshape(b * t, c), (0, 0, 1, 0))[:-1].view(b, t, c)


class TemporalShiftRolled(nn.Module):
    def forward(self, x):
        y = x.roll(1, 1)
        return torch.cat([torch.zeros_like(y[:, :1]), y[:, 1:]], 1)


class Doubled(nn.Module):
    def forward(self, x):  # b c
        return 2 * x


class DoubledInPairs(nn.Module):
    def __init__(self, rest=False):
        super().__init__()
        self.rest = rest

    def forward(self, x):
        pairs = x.shape[0] // 2 * 2
        y = 2 * x[:pairs].unflatten(0, (-1, 2)) if pairs else x.new_zeros(0, 2, x.shape[1])
        rest = 2 * x[pairs:] if self.rest else x[pairs:]
        return torch.cat([y.flatten(0, 1), rest])


class Gram(nn.Module):
    def forward(self, x):  # b t c
        return x @ x.transpose(1, 2)


class GramOfFirst(nn.Module):
    def forward(self, x):
        return x @ x[:1].transpose(1, 2)


class GramOfFlat(nn.Module):
    def forward(self, x):
        return torch.stack([one @ one.mT for one in x])


class Gate(nn.Module):
    def forward(self, x, s):  # b c t, b
        return x * s[:, None, None]


class GateAtEnd(nn.Module):
    def forward(self, x, s):
        return x * s


class GateByProduct(nn.Module):
    def forward(self, x, s):
        return torch.einsum("bct,b->bct", x, s)


class FromWholeBatch(nn.Module):
    """The largest entry, of a sample or of all."""

    def __init__(self, whole):
        super().__init__()
        self.whole = whole

    def forward(self, x):  # b c
        return x - (x.amax() if self.whole else x.amax(1, keepdim=True))


class FromSamples(nn.Module):
    def forward(self, x):
        return torch.stack([one - one.max() for one in x])


class SumOfHalves(nn.Module):
    """Guidance: the second half of the batch less the first."""

    def forward(self, x):
        half = x.shape[0] // 2
        return x[half : 2 * half] - x[:half]


class SumOfStrides(nn.Module):
    def forward(self, x):
        return x[1::2] - x[: x.shape[0] // 2 * 2 : 2]


class SumOfViews(nn.Module):
    def forward(self, x):
        first, second = x[: x.shape[0] // 2 * 2].unflatten(0, (2, -1)).unbind(0)
        return second - first


MUTANTS = [
    Mutant(
        "grouped-kernels",
        ":PerSample()",
        ":PerSampleGrouped('channel')",
        "b=1 2 t=5",
        "kernels of samples are interleaved",
        ":PerSampleGrouped()",
    ),
    Mutant(
        "shift-merged",
        ":TemporalShift()",
        ":TemporalShiftMerged()",
        "b=1 t=4 c=3",
        "frames are shifted across samples",
        ":TemporalShiftRolled()",
    ),
    Mutant(
        "pairs-rest",
        ":Doubled()",
        ":DoubledInPairs()",
        "b=4 c=3",
        "the last of an odd batch stays as it is",
        ":DoubledInPairs(rest=True)",
    ),
    Mutant("gram-of-first", ":Gram()", ":GramOfFirst()", "b=1 t=4 c=3", "keys of the first sample", ":GramOfFlat()"),
    Mutant(
        "gate-at-end",
        ":Gate()",
        ":GateAtEnd()",
        "b=1 c=2 t=4; b=1",
        "a factor a sample meets the last axis",
        ":GateByProduct()",
    ),
    Mutant(
        "whole-batch",
        ":FromWholeBatch(False)",
        ":FromWholeBatch(True)",
        "b=1 c=4",
        "the largest of all samples",
        ":FromSamples()",
    ),
    Mutant("strided-halves", ":SumOfHalves()", ":SumOfStrides()", "b=2 c=3", "pairs are neighbours", ":SumOfViews()"),
]
