# mypy: ignore-errors
"""Attention by hand: fused against separate projections, einsum against matrix products, masks, heads."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import einsum, nn

from benchmarks.own_code.record import Pair


# timm
class Attention(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        B, N, C = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        attn = (q * self.scale) @ k.transpose(-2, -1)
        x = attn.softmax(dim=-1) @ v
        return self.proj(x.transpose(1, 2).reshape(B, N, C))


# BERT, ViT in transformers
class SelfAttention(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads, self.head_size = num_heads, dim // num_heads
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.dense = nn.Linear(dim, dim)

    def transpose_for_scores(self, x):
        return x.view(*x.size()[:-1], self.num_heads, self.head_size).permute(0, 2, 1, 3)

    def forward(self, hidden_states):
        query_layer = self.transpose_for_scores(self.query(hidden_states))
        key_layer = self.transpose_for_scores(self.key(hidden_states))
        value_layer = self.transpose_for_scores(self.value(hidden_states))
        attention_scores = torch.matmul(query_layer, key_layer.transpose(-1, -2)) / math.sqrt(self.head_size)
        attention_probs = nn.functional.softmax(attention_scores, dim=-1)
        context_layer = torch.matmul(attention_probs, value_layer).permute(0, 2, 1, 3).contiguous()
        return self.dense(context_layer.view(*hidden_states.shape))


def split_qkv(state, names=("query", "key", "value")):
    out = {}
    for kind in ("weight", "bias"):
        for name, part in zip(names, state[f"qkv.{kind}"].chunk(3, dim=0)):
            out[f"{name}.{kind}"] = part
        out[f"dense.{kind}"] = state[f"proj.{kind}"]
    return out


def split_qkv_swapped(state):
    return split_qkv(state, ("key", "query", "value"))


# vit-pytorch
class EinsumAttention(nn.Module):
    def __init__(self, dim, heads, dim_head):
        super().__init__()
        self.heads, self.scale = heads, dim_head**-0.5
        self.to_qkv = nn.Linear(dim, heads * dim_head * 3, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim)

    def forward(self, x):
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)

        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.heads) for t in (q, k, v))
        dots = einsum("b h i d, b h j d -> b h i j", q, k) * self.scale
        attn = dots.softmax(dim=-1)
        out = einsum("b h i j, b h j d -> b h i d", attn, v)
        return self.to_out(rearrange(out, "b h n d -> b n (h d)"))


# PyTorch tutorials: batches of heads, and bmm
class BmmAttention(nn.Module):
    axis = 2

    def __init__(self, dim, heads, dim_head):
        super().__init__()
        self.heads, self.dim_head = heads, dim_head
        self.to_qkv = nn.Linear(dim, heads * dim_head * 3, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.to_qkv(x).view(b, n, 3, self.heads, self.dim_head).unbind(2)
        q, k, v = (t.transpose(1, 2).reshape(b * self.heads, n, self.dim_head) for t in (q, k, v))
        attn = torch.softmax(torch.bmm(q, k.transpose(1, 2)) / self.dim_head**0.5, dim=self.axis)
        out = torch.bmm(attn, v).view(b, self.heads, n, self.dim_head)
        return self.to_out(out.transpose(1, 2).flatten(2))


class BmmAttentionOverQueries(BmmAttention):
    axis = 1


# nn.MultiheadAttention, which returns a tuple, against what replaces it in exports
class TorchAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x):
        return self.attn(x, x, x)


class FusedAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)

    def split(self, t):
        return t.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def merge(self, t):
        return t.transpose(1, 2).flatten(-2)

    def forward(self, x):
        q, k, v = map(self.split, self.in_proj(x).chunk(3, -1))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(self.merge(out)), None


class FusedAttentionHeadsLast(FusedAttention):
    def merge(self, t):
        return t.permute(0, 2, 3, 1).flatten(-2)


# Llama 2 and 3: several heads of queries share keys
class GroupedQuery(nn.Module):
    def __init__(self, dim, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, dim // n_heads
        self.wq = nn.Linear(dim, dim, bias=False)
        self.wk = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wv = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)

    def repeat_kv(self, x):
        bs, slen, n_kv_heads, head_dim = x.shape
        n_rep = self.n_heads // n_kv_heads
        x = x[:, :, :, None, :].expand(bs, slen, n_kv_heads, n_rep, head_dim)
        return x.reshape(bs, slen, n_kv_heads * n_rep, head_dim)

    def forward(self, x):
        bsz, seqlen, _ = x.shape
        xq = self.wq(x).view(bsz, seqlen, self.n_heads, self.head_dim)
        xk = self.repeat_kv(self.wk(x).view(bsz, seqlen, self.n_kv_heads, self.head_dim))
        xv = self.repeat_kv(self.wv(x).view(bsz, seqlen, self.n_kv_heads, self.head_dim))
        xq, xk, xv = xq.transpose(1, 2), xk.transpose(1, 2), xv.transpose(1, 2)
        scores = torch.matmul(xq, xk.transpose(2, 3)) / math.sqrt(self.head_dim)
        mask = torch.full((seqlen, seqlen), float("-inf"), device=x.device, dtype=x.dtype).triu(1)
        scores = F.softmax(scores + mask, dim=-1)
        return self.wo(torch.matmul(scores, xv).transpose(1, 2).reshape(bsz, seqlen, -1))


class GroupedQueryFused(nn.Module):
    def __init__(self, dim, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, dim // n_heads
        self.wq = nn.Linear(dim, dim, bias=False)
        self.wk = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wv = nn.Linear(dim, n_kv_heads * self.head_dim, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)

    def share(self, t):
        return t.repeat_interleave(self.n_heads // self.n_kv_heads, dim=1)

    def forward(self, x):
        q, k, v = (w(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for w in (self.wq, self.wk, self.wv))
        out = F.scaled_dot_product_attention(q, self.share(k), self.share(v), is_causal=True)
        return self.wo(out.transpose(1, 2).flatten(2))


class GroupedQueryTiled(GroupedQueryFused):
    def share(self, t):
        return t.repeat(1, self.n_heads // self.n_kv_heads, 1, 1)


# cross attention with a mask of what may be seen
class CrossAttention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.q_proj, self.kv_proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)

    def forward(self, x, context, *, mask=None):
        q, (k, v) = self.q_proj(x), self.kv_proj(context).chunk(2, -1)
        sim = q @ k.transpose(1, 2) * q.shape[-1] ** -0.5
        if mask is not None:
            sim = sim.masked_fill(~mask, -torch.finfo(sim.dtype).max)
        return sim.softmax(-1) @ v


class CrossAttentionScaledKeys(CrossAttention):
    def scaled(self, k):
        return k / math.sqrt(k.shape[-1])

    def forward(self, x, context, *, mask=None):
        k, v = self.kv_proj(context).split(x.shape[-1], dim=-1)
        scores = torch.einsum("bid,bjd->bij", self.q_proj(x), self.scaled(k))
        if mask is not None:
            scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
        return torch.einsum("bij,bjd->bid", torch.softmax(scores, -1), v)


class CrossAttentionUnscaled(CrossAttentionScaledKeys):
    def scaled(self, k):
        return k


PAIRS = (
    Pair(
        "fused and separate queries, keys and values",
        ":Attention(8, 2)",
        ":SelfAttention(8, 2)",
        ("2,5,8",),
        "queries and keys are exchanged in the conversion",
        map_by="split_qkv",
        twin_map_by="split_qkv_swapped",
    ),
    Pair(
        "attention by einsum and by bmm",
        ":EinsumAttention(6, 2, 4)",
        ":BmmAttention(6, 2, 4)",
        ("2,5,6",),
        "softmax over queries",
        ":BmmAttentionOverQueries(6, 2, 4)",
    ),
    Pair(
        "nn.MultiheadAttention by hand",
        ":TorchAttention(6, 3)",
        ":FusedAttention(6, 3)",
        ("2,4,6",),
        "heads are merged innermost",
        ":FusedAttentionHeadsLast(6, 3)",
        {
            "in_proj.weight": "attn.in_proj_weight",
            "in_proj.bias": "attn.in_proj_bias",
            "out_proj.weight": "attn.out_proj.weight",
            "out_proj.bias": "attn.out_proj.bias",
        },
        select="0",
    ),
    Pair(
        "queries that share keys",
        ":GroupedQuery(8, 4, 2)",
        ":GroupedQueryFused(8, 4, 2)",
        ("1,5,8",),
        "repeat in place of repeat_interleave",
        ":GroupedQueryTiled(8, 4, 2)",
    ),
    Pair(
        "cross attention under a mask",
        ":CrossAttention(4)",
        ":CrossAttentionScaledKeys(4)",
        ("2,3,4", "2,5,4", "mask=bool 3,5"),
        "the scale is forgotten",
        ":CrossAttentionUnscaled(4)",
    ),
)
