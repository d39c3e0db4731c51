# mypy: ignore-errors
"""Queries, keys and values: fused, interleaved, scaled, rotated, and attention as a whole."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from benchmarks.public_code.record import Solvable


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


# Swin: a table of distances, and the biases looked up once
class BiasTable(nn.Module):
    def __init__(self):
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.randn(5, 2))
        i = torch.arange(3)
        self.register_buffer("index", i[:, None] - i[None] + 2, persistent=False)

    def forward(self, scores):  # b heads t t
        return scores + self.relative_position_bias_table[self.index].permute(2, 0, 1)


class BiasLookedUp(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(1, 2, 3, 3))

    def forward(self, scores):
        return scores + self.bias


def looked_up(state):
    i = torch.arange(3)
    return {"bias": state["relative_position_bias_table"][i[:, None] - i[None] + 2].permute(2, 0, 1)[None]}


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
    Solvable(
        "qkv-fused",
        "transformers (Qwen2) to vLLM",
        ":Projections()",
        ":QKVParallel()",
        ("2,4,3",),
        "fused",
        note="a concatenation; keys have no bias",
    ),
    Solvable(
        "qkv-interleaved",
        "timm to Megatron-LM",
        ":FusedHeads('timm')",
        ":FusedHeads('megatron')",
        ("2,4,3",),
        "interleaved",
    ),
    Solvable(
        "scale-folded",
        "Whisper to an export",
        ":ScaledQuery()",
        ":ScaledQuery(1)",
        ("1,4,3", "1,4,4"),
        "scale_folded",
        note="a factor of a half",
    ),
    Solvable(
        "rope",
        "transformers (Llama) to llama.cpp",
        ":Rotated('halves')",
        ":Rotated('neighbours')",
        ("2,4,3",),
        "rope",
        exact=False,
        note="cosines are rounded",
    ),
    Solvable(
        "bias-table",
        "Swin to TensorRT",
        ":BiasTable()",
        ":BiasLookedUp()",
        ("1,2,3,3",),
        "looked_up",
        note="entries are repeated",
    ),
    Solvable(
        "in-proj",
        "OpenCLIP to transformers (CLIP)",
        ":InProjAttention()",
        ":CLIPAttention()",
        ("2,4,4",),
        "in_proj",
        other="in_proj_heads_swapped",
        up_to="the order of heads, keys' biases, q against k",
        polynomial=False,
        exact=False,
    ),
    Solvable(
        "attn-block",
        "latent-diffusion to diffusers",
        ":AttnBlock()",
        ":DiffusersAttention()",
        ("1,4,2,3",),
        "diffusers",
        other="diffusers_reversed",
        up_to="the order of features in q and k, keys' biases",
        polynomial=False,
        exact=False,
    ),
]
