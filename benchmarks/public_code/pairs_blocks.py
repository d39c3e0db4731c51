# mypy: ignore-errors
"""Gates, norms and whole blocks, with something between their layers that is no polynomial."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.public_code.record import Solvable


# Llama: a gate beside the way up, which vLLM has in one
class GatedUnits(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(3, 4, bias=False)
        self.up_proj = nn.Linear(3, 4, bias=False)

    def forward(self, x):
        return F.silu(self.gate_proj(x)) * self.up_proj(x)


class MergedGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_up_proj = nn.Linear(3, 8, bias=False)

    def forward(self, x):
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return F.silu(gate) * up


def merged_gate(state):
    return {"gate_up_proj.weight": torch.cat([state["gate_proj.weight"], state["up_proj.weight"]])}


# ConvNeXt: Linears between permutes, or convolutions; LayerScale apart, or folded
class ConvNeXtTail(nn.Module):
    def __init__(self):
        super().__init__()
        self.pwconv1 = nn.Linear(2, 4)
        self.pwconv2 = nn.Linear(4, 2)
        self.gamma = nn.Parameter(torch.randn(2))

    def forward(self, x):
        y = self.pwconv2(F.gelu(self.pwconv1(x.permute(0, 2, 3, 1))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


class ConvTail(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Conv2d(2, 4, 1)
        self.fc2 = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return x + self.fc2(F.gelu(self.fc1(x)))


def convnext(state):
    return {
        "fc1.weight": state["pwconv1.weight"][..., None, None],
        "fc1.bias": state["pwconv1.bias"],
        "fc2.weight": (state["gamma"][:, None] * state["pwconv2.weight"])[..., None, None],
        "fc2.bias": state["gamma"] * state["pwconv2.bias"],
    }


def convnext_reversed(state):
    one = convnext(state)
    return one | {
        "fc1.weight": one["fc1.weight"].flip(0),
        "fc1.bias": one["fc1.bias"].flip(0),
        "fc2.weight": one["fc2.weight"].flip(1),
    }


# PyTorch's LSTM has input, forget, cell, output; ONNX has input, output, forget, cell
class Gates(nn.Module):
    def __init__(self, order):
        super().__init__()
        self.weight = nn.Linear(3, 8)
        self.order = order

    def forward(self, x, c):
        gates = dict(zip(self.order, self.weight(x).chunk(4, -1), strict=True))
        c = torch.sigmoid(gates["f"]) * c + torch.sigmoid(gates["i"]) * torch.tanh(gates["c"])
        return torch.cat([c, torch.sigmoid(gates["o"]) * torch.tanh(c)], -1)


def gates(state):
    moved = {}
    for name, one in state.items():
        i, f, c, o = one.chunk(4)
        moved[name] = torch.cat([i, o, f, c])
    return moved


# RMSNorm in Llama: a weight; in Gemma: one plus a weight
class RMSNorm(nn.Module):
    def __init__(self, gemma):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))
        self.gemma = gemma

    def forward(self, x):
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return x * (1.0 + self.weight) if self.gemma else x * self.weight


def gemma(state):
    return {"weight": state["weight"] - 1}


# RMSNorm's weight in the projection behind it, as SpinQuant folds it
class NormedProjection(nn.Module):
    def __init__(self, folded):
        super().__init__()
        self.weight = None if folded else nn.Parameter(torch.randn(4))
        self.proj = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.proj(x if self.weight is None else x * self.weight)


def norm_folded(state):
    return {"proj.weight": state["proj.weight"] * state["weight"]}


PAIRS = [
    Solvable(
        "gate-up",
        "transformers (Llama) to vLLM",
        ":GatedUnits()",
        ":MergedGate()",
        ("2,5,3",),
        "merged_gate",
        polynomial=False,
        exact=False,
    ),
    Solvable(
        "convnext-tail",
        "ConvNeXt to timm (conv_mlp)",
        ":ConvNeXtTail()",
        ":ConvTail()",
        ("1,2,4,4",),
        "convnext",
        other="convnext_reversed",
        up_to="the order of hidden units",
        polynomial=False,
        exact=False,
    ),
    Solvable(
        "lstm-gates",
        "PyTorch to ONNX",
        ":Gates('ifco')",
        ":Gates('iofc')",
        ("6,3", "6,2"),
        "gates",
        polynomial=False,
        exact=False,
    ),
    Solvable(
        "gemma-norm",
        "transformers (Llama to Gemma)",
        ":RMSNorm(False)",
        ":RMSNorm(True)",
        ("3,4",),
        "gemma",
        polynomial=False,
        exact=False,
        note="less one",
    ),
    Solvable(
        "norm-folded",
        "SpinQuant",
        ":NormedProjection(False)",
        ":NormedProjection(True)",
        ("5,4",),
        "norm_folded",
        polynomial=False,
        exact=False,
        note="a product",
    ),
]
