# mypy: ignore-errors
"""Linear layers, embeddings and attention: fused, split, transposed, interleaved, folded."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from benchmarks.public_code.record import Solvable


# GPT-2 in transformers: a Linear with inputs first
class Conv1D(nn.Module):
    def __init__(self, nf=4, nx=3):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))

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


# vLLM: queries, keys and values in one
class Projections(nn.Module):
    def __init__(self, bias=True):
        super().__init__()
        self.q_proj = nn.Linear(3, 4, bias=bias)
        self.k_proj = nn.Linear(3, 2, bias=False)
        self.v_proj = nn.Linear(3, 2, bias=bias)

    def forward(self, x):
        return torch.cat([self.q_proj(x), self.k_proj(x), self.v_proj(x)], -1)


class QKVParallel(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv_proj = nn.Linear(3, 8)

    def forward(self, x):
        return self.qkv_proj(x)


def fused(state):
    bias = torch.cat([state["q_proj.bias"], torch.zeros(2, dtype=torch.float64), state["v_proj.bias"]])
    return {"qkv_proj.weight": torch.cat([state[f"{n}_proj.weight"] for n in "qkv"]), "qkv_proj.bias": bias}


# timm has (3 heads d), Megatron and GPT-NeoX (heads 3 d)
class FusedHeads(nn.Module):
    def __init__(self, order):
        super().__init__()
        self.qkv = nn.Linear(3, 12)
        self.order = order

    def forward(self, x):
        b, t, _ = x.shape
        if self.order == "timm":
            q, k, v = self.qkv(x).reshape(b, t, 3, 2, 2).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = self.qkv(x).view(b, t, 2, 6).transpose(1, 2).split(2, -1)
        return torch.stack([q, k, v])


def interleaved(state):
    return {name: rearrange(one, "(three n d) ... -> (n three d) ...", three=3, n=2) for name, one in state.items()}


# Whisper: queries that are scaled, against keys from elsewhere; exports fold the scale
class ScaledQuery(nn.Module):
    def __init__(self, scale=0.5):
        super().__init__()
        self.query = nn.Linear(3, 4)
        self.scale = scale

    def forward(self, x, keys):
        return (self.query(x) * self.scale) @ keys.transpose(1, 2)


def scale_folded(state):
    return {name: one * 0.5 for name, one in state.items()}


# Llama: rotary halves in transformers, neighbours in llama.cpp
class Rotated(nn.Module):
    def __init__(self, order):
        super().__init__()
        self.q_proj = nn.Linear(3, 4, bias=False)
        self.order = order

    def forward(self, x):  # b t c -> b t 2 (real, imaginary)
        q, t = self.q_proj(x), torch.arange(x.shape[1], dtype=x.dtype)[:, None]
        angle = t * torch.tensor([1.0, 0.1], dtype=x.dtype)
        real, imaginary = q.chunk(2, -1) if self.order == "halves" else (q[..., ::2], q[..., 1::2])
        cos, sin = angle.cos(), angle.sin()
        return torch.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], -1)


def rope(state):
    return {"q_proj.weight": rearrange(state["q_proj.weight"], "(two d) i -> (d two) i", two=2)}


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
        self.w13 = nn.Parameter(torch.zeros(3, 3, 4))

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


# Swin: a table of distances, and the biases looked up once
class BiasTable(nn.Module):
    def __init__(self):
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.zeros(5, 2))
        i = torch.arange(3)
        self.register_buffer("index", i[:, None] - i[None] + 2, persistent=False)

    def forward(self, scores):  # b heads t t
        return scores + self.relative_position_bias_table[self.index].permute(2, 0, 1)


class BiasLookedUp(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 2, 3, 3))

    def forward(self, scores):
        return scores + self.bias


def looked_up(state):
    i = torch.arange(3)
    return {"bias": state["relative_position_bias_table"][i[:, None] - i[None] + 2].permute(2, 0, 1)[None]}


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


# ConvNeXt: Linears between permutes, or convolutions; LayerScale apart, or folded
class ConvNeXtTail(nn.Module):
    def __init__(self):
        super().__init__()
        self.pwconv1 = nn.Linear(2, 4)
        self.pwconv2 = nn.Linear(4, 2)
        self.gamma = nn.Parameter(torch.ones(2))

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
        "fc1.weight": one["fc1.weight"].flip(0), "fc1.bias": one["fc1.bias"].flip(0), "fc2.weight": one["fc2.weight"].flip(1)
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
        self.weight = nn.Parameter(torch.zeros(4))
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
        self.weight = None if folded else nn.Parameter(torch.zeros(4))
        self.proj = nn.Linear(4, 3, bias=False)

    def forward(self, x):
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.proj(x if self.weight is None else x * self.weight)


def norm_folded(state):
    return {"proj.weight": state["proj.weight"] * state["weight"]}


# attention whole: OpenCLIP's in_proj and transformers' three projections
class InProjAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        return self.attn(x, x, x, need_weights=False)[0]


class CLIPAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x):
        q, k, v = (rearrange(one(x), "b t (n d) -> b n t d", n=2) for one in (self.q_proj, self.k_proj, self.v_proj))
        weights = (q @ k.transpose(-1, -2) * 2**-0.5).softmax(-1)
        return self.out_proj(rearrange(weights @ v, "b n t d -> b t (n d)"))


def in_proj(state):
    moved = {"out_proj.weight": state["attn.out_proj.weight"], "out_proj.bias": state["attn.out_proj.bias"]}
    for kind in ("weight", "bias"):
        parts = state[f"attn.in_proj_{kind}"].chunk(3)
        moved |= {f"{name}_proj.{kind}": part for name, part in zip("qkv", parts, strict=True)}
    return moved


def in_proj_heads_swapped(state):
    moved = in_proj(state)
    for name in ("q_proj", "k_proj", "v_proj"):
        moved |= {f"{name}.{kind}": moved[f"{name}.{kind}"].roll(2, 0) for kind in ("weight", "bias")}
    return moved | {"out_proj.weight": moved["out_proj.weight"].roll(2, 1)}


# latent diffusion's block of 1x1 convolutions, and diffusers' Linears
class AttnBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(4, 4, 1) for _ in range(4))

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = (one(x).flatten(2) for one in (self.q, self.k, self.v))
        weights = torch.softmax(torch.bmm(q.transpose(1, 2), k) * c**-0.5, dim=2)
        return x + self.proj_out(torch.bmm(v, weights.transpose(1, 2)).view(b, c, h, w))


class DiffusersAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(4, 4) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(4, 4), nn.Dropout(0.0)])

    def forward(self, hidden_states):
        b, c, h, w = hidden_states.shape
        x = hidden_states.view(b, c, h * w).transpose(1, 2)
        y = F.scaled_dot_product_attention(self.to_q(x)[:, None], self.to_k(x)[:, None], self.to_v(x)[:, None])[:, 0]
        for layer in self.to_out:
            y = layer(y)
        return y.transpose(1, 2).reshape(b, c, h, w) + hidden_states


def diffusers(state):
    names = {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
    moved = {f"{new}.weight": state[f"{old}.weight"][..., 0, 0] for old, new in names.items()}
    return moved | {f"{new}.bias": state[f"{old}.bias"] for old, new in names.items()}


def diffusers_reversed(state):
    """Queries and keys in reverse."""
    moved = diffusers(state)
    return moved | {name: one.flip(0) for name, one in moved.items() if name.startswith(("to_q", "to_k"))}


PAIRS = [
    Solvable("gpt2-conv1d", "transformers (GPT-2) to nanoGPT", ":Conv1D()", "Linear(3, 4)", ("2,4,3",), "transposed"),
    Solvable("proj-in", "diffusers, use_linear_projection", ":Pointwise()", ":LinearProjection()", ("1,3,3,3",),
             "pointwise_to_linear"),
    Solvable("qkv-fused", "transformers (Qwen2) to vLLM", ":Projections()", ":QKVParallel()", ("2,4,3",), "fused",
             note="a concatenation; keys have no bias"),
    Solvable("qkv-interleaved", "timm to Megatron-LM", ":FusedHeads('timm')", ":FusedHeads('megatron')", ("2,4,3",),
             "interleaved"),
    Solvable("scale-folded", "Whisper to an export", ":ScaledQuery()", ":ScaledQuery(1)", ("1,4,3", "1,4,4"),
             "scale_folded", note="a factor of a half"),
    Solvable("rope", "transformers (Llama) to llama.cpp", ":Rotated('halves')", ":Rotated('neighbours')", ("2,4,3",),
             "rope", exact=False, note="cosines are rounded"),
    Solvable("gate-up", "transformers (Llama) to vLLM", ":GatedUnits()", ":MergedGate()", ("2,5,3",), "merged_gate",
             polynomial=False, exact=False),
    Solvable("experts", "transformers (Mixtral) to vLLM", ":Experts()", ":StackedExperts()", ("5,3",), "stacked"),
    Solvable("lora", "peft, merge_and_unload", ":LoraLinear()", "Linear(4, 3)", ("2,4,4",), "lora_merged",
             note="a sum with a product"),
    Solvable("untied", "transformers (GPT-2) to ONNX", ":Tied(True)", ":Tied(False)", ("int 8,4", "8,4,3"), "untied",
             note="one parameter becomes two"),
    Solvable("bias-table", "Swin to TensorRT", ":BiasTable()", ":BiasLookedUp()", ("1,2,3,3",), "looked_up",
             note="entries are repeated"),
    Solvable("token-mixing", "timm (ResMLP)", ":TokenMixing()", ":TokenConv()", ("2,5,4",), "token_mixing",
             note="an identity is added"),
    Solvable("convnext-tail", "ConvNeXt to timm (conv_mlp)", ":ConvNeXtTail()", ":ConvTail()", ("1,2,4,4",), "convnext",
             other="convnext_reversed", up_to="the order of hidden units", polynomial=False, exact=False),
    Solvable("lstm-gates", "PyTorch to ONNX", ":Gates('ifco')", ":Gates('iofc')", ("6,3", "6,2"), "gates",
             polynomial=False, exact=False),
    Solvable("gemma-norm", "transformers (Llama to Gemma)", ":RMSNorm(False)", ":RMSNorm(True)", ("3,4",), "gemma",
             polynomial=False, exact=False, note="less one"),
    Solvable("norm-folded", "SpinQuant", ":NormedProjection(False)", ":NormedProjection(True)", ("5,4",), "norm_folded",
             polynomial=False, exact=False, note="a product"),
    Solvable("in-proj", "OpenCLIP to transformers (CLIP)", ":InProjAttention()", ":CLIPAttention()", ("2,4,4",),
             "in_proj", other="in_proj_heads_swapped", up_to="the order of heads, keys' biases, q against k",
             polynomial=False, exact=False),
    Solvable("attn-block", "latent-diffusion to diffusers", ":AttnBlock()", ":DiffusersAttention()", ("1,4,2,3",),
             "diffusers", other="diffusers_reversed", up_to="the order of features in q and k, keys' biases",
             polynomial=False, exact=False),
]
