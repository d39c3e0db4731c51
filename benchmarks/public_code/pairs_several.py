# mypy: ignore-errors
"""Pairs with several maps."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.public_code.record import Solvable, Truth


class TwoBiases(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x):
        return self.fc(x) + self.bias


def one_bias(state):
    return {"fc.weight": state["weight"], "fc.bias": state["bias"], "bias": torch.zeros_like(state["bias"])}


def other_bias(state):
    return {"fc.weight": state["weight"], "bias": state["bias"], "fc.bias": torch.zeros_like(state["bias"])}


class TypedPositions(nn.Module):
    """BERT: positions and the type of all tokens are added."""

    def __init__(self, names):
        super().__init__()
        self.names = names
        for name in names:
            self.register_parameter(name, nn.Parameter(torch.randn(5, 3)))

    def forward(self, x):
        for name in self.names:
            x = x + getattr(self, name)
        return x


def positions_kept(state):
    return {"pos_a": state["absolute"], "pos_b": state["learned"]}


def positions_swapped(state):
    return {"pos_a": state["learned"], "pos_b": state["absolute"]}


class Doubled(nn.Module):
    """Tacotron's reduction factor, with the same frame twice."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(torch.cat([x, x], -1))


def first_half(state):
    return {"fc.weight": F.pad(state["weight"], (0, 3)), "fc.bias": state["bias"]}


def second_half(state):
    return {"fc.weight": F.pad(state["weight"], (3, 0)), "fc.bias": state["bias"]}


class Normed(nn.Module):
    """A LayerNorm's weight and bias apart, or folded: what it leaves sums to zero, so a row's mean is not seen."""

    def __init__(self, folded):
        super().__init__()
        self.norm = nn.LayerNorm(4, elementwise_affine=not folded)
        self.proj = nn.Linear(4, 3)

    def forward(self, x):
        return self.proj(self.norm(x))


def folded(state):
    weight = state["proj.weight"]
    return {
        "proj.weight": weight * state["norm.weight"],
        "proj.bias": state["proj.bias"] + weight @ state["norm.bias"],
    }


def folded_and_shifted(state):
    one = folded(state)
    return one | {"proj.weight": one["proj.weight"] - one["proj.weight"].mean(1, keepdim=True)}


class Keys(nn.Module):
    """Whisper has no bias for keys, since a softmax over them does not see it."""

    def __init__(self, bias):
        super().__init__()
        self.key = nn.Linear(3, 4, bias=bias)

    def forward(self, x, q):
        return torch.softmax(q @ self.key(x).transpose(1, 2) / 8, -1)


def without_key_bias(state):
    return {"key.weight": state["key.weight"], "key.bias": torch.zeros(4, dtype=torch.float64)}


def with_key_bias(state):
    return {"key.weight": state["key.weight"], "key.bias": torch.ones(4, dtype=torch.float64)}


class OPTPositions(nn.Module):
    """OPT reads its positions from the third row on."""

    def __init__(self, offset):
        super().__init__()
        self.embed_positions = nn.Embedding(5 + offset, 3)
        self.offset = offset

    def forward(self, x):
        return x + self.embed_positions(torch.arange(x.shape[1]) + self.offset)


def opt(state):
    return {"embed_positions.weight": F.pad(state["embed_positions.weight"], (0, 0, 2, 0))}


def opt_filled(state):
    return {"embed_positions.weight": F.pad(state["embed_positions.weight"], (0, 0, 2, 0), value=7)}


class TwoBranches(nn.Module):
    """Two convolutions that read the same and are added."""

    def __init__(self):
        super().__init__()
        self.conv_a = nn.Conv1d(2, 3, 3)
        self.conv_b = nn.Conv1d(2, 3, 3, bias=False)

    def forward(self, x):
        return self.conv_a(x) + self.conv_b(x)


def branch_a(state):
    zeros = torch.zeros_like(state["weight"])
    return {"conv_a.weight": state["weight"], "conv_a.bias": state["bias"], "conv_b.weight": zeros}


def branch_b(state):
    zeros = torch.zeros_like(state["weight"])
    return {"conv_b.weight": state["weight"], "conv_a.bias": state["bias"], "conv_a.weight": zeros}


PAIRS = [
    Solvable(
        "two-biases",
        "timm (bias and a shift)",
        "Linear(3, 4)",
        ":TwoBiases()",
        ("2,4,3",),
        "one_bias",
        Truth.NOT_UNIQUE,
        "other_bias",
        note="two biases are added",
    ),
    Solvable(
        "two-positions",
        "transformers (BERT)",
        ":TypedPositions(['absolute', 'learned'])",
        ":TypedPositions(['pos_a', 'pos_b'])",
        ("2,5,3",),
        "positions_kept",
        Truth.NOT_UNIQUE,
        "positions_swapped",
        note="two tables are added",
    ),
    Solvable(
        "doubled-inputs",
        "Tacotron",
        "Linear(3, 4)",
        ":Doubled()",
        ("2,4,3",),
        "first_half",
        Truth.NOT_UNIQUE,
        "second_half",
        note="every input is there twice",
    ),
    Solvable(
        "layer-norm-folded",
        "transformers (BERT) to SliceGPT",
        ":Normed(False)",
        ":Normed(True)",
        ("5,4",),
        "folded",
        Truth.NOT_UNIQUE,
        "folded_and_shifted",
        polynomial=False,
        exact=False,
        note="a row's mean meets zero",
    ),
    Solvable(
        "key-bias",
        "Whisper to transformers",
        ":Keys(False)",
        ":Keys(True)",
        ("1,4,3", "1,4,4"),
        "without_key_bias",
        Truth.NOT_UNIQUE,
        "with_key_bias",
        polynomial=False,
        exact=False,
        note="a softmax does not see a shift",
    ),
    Solvable(
        "opt-positions",
        "transformers (GPT-2 to OPT)",
        ":OPTPositions(0)",
        ":OPTPositions(2)",
        ("2,5,3",),
        "opt",
        Truth.NOT_UNIQUE,
        "opt_filled",
        note="two rows are never read",
    ),
    Solvable(
        "two-branches",
        "RepVGG",
        "Conv1d(2, 3, 3)",
        ":TwoBranches()",
        ("2,2,6",),
        "branch_a",
        Truth.NOT_UNIQUE,
        "branch_b",
        note="two kernels are added",
    ),
]
