# mypy: ignore-errors
"""Pairs without a map, and one that looks like them."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.public_code.record import Solvable, Truth


class DepthwiseOnly(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 3, 3, padding=1, groups=3)


class Padded(nn.Conv1d):
    """A window that looks back, or ahead."""

    def __init__(self, left, right):
        super().__init__(2, 3, 2)
        self.pad = (left, right)

    def forward(self, x):
        return super().forward(F.pad(x, self.pad))


class Phase(nn.Linear):
    def __init__(self, start):
        super().__init__(2, 3)
        self.start = start

    def forward(self, x):
        return super().forward(x[:, self.start :: 2])


class QueryKey(nn.Module):
    """Queries and keys by one projection, as in Reformer, or by two."""

    def __init__(self, shared):
        super().__init__()
        self.q = nn.Linear(3, 2)
        self.k = self.q if shared else nn.Linear(3, 2)

    def forward(self, x):
        return torch.cat([self.q(x), self.k(x)], -1)


class SummedPatch(nn.Module):
    """A Linear on the sum over a patch, which forgets where an entry was."""

    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(2, 3)

    def forward(self, x):  # b t k c
        return self.proj(x.sum(2))


class WholePatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 3)

    def forward(self, x):
        return self.proj(x.flatten(2))


def summed_to_whole(state):
    return {"proj.weight": state["proj.weight"].repeat(1, 4), "proj.bias": state["proj.bias"]}


class RepeatedBias(nn.Module):
    """PixelShuffle behind a convolution with a bias a pixel, or one a channel."""

    def __init__(self, biases):
        super().__init__()
        self.conv = nn.Conv2d(2, 8, 1, bias=False)
        self.bias = nn.Parameter(torch.randn(2, biases))

    def forward(self, x):
        bias = self.bias.expand(2, 4).reshape(8, 1, 1)
        return F.pixel_shuffle(self.conv(x) + bias, 2)


PAIRS = [
    Solvable(
        "missing-bias",
        "transformers (Llama)",
        "Linear(3, 4)",
        "Linear(3, 4, bias=False)",
        ("2,4,3",),
        None,
        Truth.NONE,
        note="nothing takes the bias",
    ),
    Solvable(
        "depthwise-for-dense",
        "torchvision (MobileNet)",
        "Conv2d(3, 3, 3, padding=1)",
        ":DepthwiseOnly()",
        ("1,3,5,5",),
        None,
        Truth.NONE,
        note="channels do not meet",
    ),
    Solvable(
        "look-ahead",
        "WaveNet",
        ":Padded(1, 0)",
        ":Padded(0, 1)",
        ("2,2,6",),
        None,
        Truth.NONE,
        note="the candidate reads one further, not one before",
    ),
    Solvable(
        "small-kernel",
        "ConvNeXt",
        "Conv2d(2, 2, 5, padding=2, groups=2)",
        "Conv2d(2, 2, 3, padding=1, groups=2)",
        ("1,2,6,6",),
        None,
        Truth.NONE,
        note="a kernel of 5 does not fit into 3",
    ),
    Solvable(
        "wrong-phase",
        "Funnel-Transformer",
        ":Phase(0)",
        ":Phase(1)",
        ("2,6,2",),
        None,
        Truth.NONE,
        note="odd positions for even ones",
    ),
    Solvable(
        "shared-query-key",
        "Reformer",
        ":QueryKey(False)",
        ":QueryKey(True)",
        ("2,5,3",),
        None,
        Truth.NONE,
        note="one parameter for two",
    ),
    Solvable(
        "summed-inputs",
        "PointNet",
        ":WholePatch()",
        ":SummedPatch()",
        ("2,3,4,2",),
        None,
        Truth.NONE,
        note="inputs are summed before they are weighted",
    ),
    Solvable(
        "bias-of-a-pixel",
        "ESPCN",
        ":RepeatedBias(4)",
        ":RepeatedBias(1)",
        ("1,2,3,3",),
        None,
        Truth.NONE,
        note="one bias for four",
    ),
    Solvable(
        "summed-to-whole",
        "PointNet",
        ":SummedPatch()",
        ":WholePatch()",
        ("4,3,4,2",),
        "summed_to_whole",
        note="columns are repeated",
    ),
]
