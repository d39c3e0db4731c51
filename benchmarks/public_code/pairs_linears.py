# mypy: ignore-errors
"""Linear layers and embeddings: transposed, stacked, merged, tied."""

import torch
from torch import nn

from benchmarks.public_code.record import Solvable


# GPT-2 in transformers: a Linear with inputs first
class Conv1D(nn.Module):
    def __init__(self, nf=4, nx=3):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(nx, nf))
        self.bias = nn.Parameter(torch.randn(nf))

    def forward(self, x):
        size_out = x.size()[:-1] + (self.bias.shape[0],)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(size_out)


def transposed(state):
    return {"weight": state["weight"].T, "bias": state["bias"]}


# diffusers: a pointwise convolution for a Linear, and the other way round
class Pointwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj_in = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.proj_in(x)


class LinearProjection(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj_in = nn.Linear(3, 4)

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.proj_in(x.permute(0, 2, 3, 1).reshape(b, h * w, c))
        return y.reshape(b, h, w, -1).permute(0, 3, 1, 2)


def pointwise_to_linear(state):
    return {"proj_in.weight": state["proj_in.weight"][..., 0, 0], "proj_in.bias": state["proj_in.bias"]}


# Mixtral in transformers: a list of experts, and one tensor with inputs first in vLLM
class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(3, 4, bias=False) for _ in range(3)])

    def forward(self, x):
        return torch.stack([expert(x) for expert in self.experts], 1)


class StackedExperts(nn.Module):
    def __init__(self):
        super().__init__()
        self.w13 = nn.Parameter(torch.randn(3, 3, 4))

    def forward(self, x):
        return torch.einsum("bi,eio->beo", x, self.w13)


def stacked(state):
    return {"w13": torch.stack([state[f"experts.{e}.weight"].T for e in range(3)])}


# peft: a low-rank update that is merged
class LoraLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.base_layer = nn.Linear(4, 3)
        self.lora_A = nn.Linear(4, 2, bias=False)
        self.lora_B = nn.Linear(2, 3, bias=False)

    def forward(self, x):
        return self.base_layer(x) + self.lora_B(self.lora_A(x)) * 2.0


def lora_merged(state):
    update = state["lora_B.weight"] @ state["lora_A.weight"]
    return {"weight": state["base_layer.weight"] + 2.0 * update, "bias": state["base_layer.bias"]}


# GPT-2: the head has the embedding's weight, and an export has it twice
class Tied(nn.Module):
    def __init__(self, tied):
        super().__init__()
        self.wte = nn.Embedding(6, 3)
        self.lm_head = nn.Linear(3, 6, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, ids, x):
        return self.lm_head(self.wte(ids) + x)


def untied(state):
    return {"wte.weight": state["wte.weight"], "lm_head.weight": state["wte.weight"]}


# ResMLP and MLP-Mixer: tokens mixed by a Linear between transposes, or a convolution with tokens as channels
class TokenMixing(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(5, 5)

    def forward(self, x):  # b t c
        return x + self.fc(x.transpose(1, 2)).transpose(1, 2)


class TokenConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Conv1d(5, 5, 1)

    def forward(self, x):
        return self.mix(x)


def token_mixing(state):
    weight = state["fc.weight"] + torch.eye(5, dtype=torch.float64)
    return {"mix.weight": weight[..., None], "mix.bias": state["fc.bias"]}


PAIRS = [
    Solvable("gpt2-conv1d", "transformers (GPT-2) to nanoGPT", ":Conv1D()", "Linear(3, 4)", ("2,4,3",), "transposed"),
    Solvable(
        "proj-in",
        "diffusers, use_linear_projection",
        ":Pointwise()",
        ":LinearProjection()",
        ("1,3,3,3",),
        "pointwise_to_linear",
    ),
    Solvable("experts", "transformers (Mixtral) to vLLM", ":Experts()", ":StackedExperts()", ("5,3",), "stacked"),
    Solvable(
        "lora",
        "peft, merge_and_unload",
        ":LoraLinear()",
        "Linear(4, 3)",
        ("2,4,4",),
        "lora_merged",
        note="a sum with a product",
    ),
    Solvable(
        "untied",
        "transformers (GPT-2) to ONNX",
        ":Tied(True)",
        ":Tied(False)",
        ("int 8,4", "8,4,3"),
        "untied",
        note="one parameter becomes two",
    ),
    Solvable(
        "token-mixing",
        "timm (ResMLP)",
        ":TokenMixing()",
        ":TokenConv()",
        ("2,5,4",),
        "token_mixing",
        note="an identity is added",
    ),
]
