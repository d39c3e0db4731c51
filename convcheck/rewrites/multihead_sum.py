"""MultiheadAttention is three projections, heads split off by einops, attention in each, and a fourth projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import MultiheadAttention
from convcheck.rewriting.halves import halvings_of_products
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

BYTES_AT_ONCE = 2**26
"""So many bytes of products are in memory at once, or those of one output."""


def layouts(attention: MultiheadAttention, query: Shape) -> tuple[str, str]:
    """Return how einops names the axes with the heads together, and apart, where the batch comes first."""
    if len(query) == 2:
        return "l (h d)", "h l d"
    return ("b l (h d)" if attention.batch_first else "l b (h d)"), "b h l d"


def with_position(x: Tensor, row: Tensor, heads: int) -> Tensor:
    """Add one more position behind those of `[..., h, l, d]`, the same for all of a batch."""
    import torch
    from einops import rearrange

    position = rearrange(row, "1 1 (h d) -> h 1 d", h=heads)
    return torch.cat([x, position.expand(*x.shape[:-2], 1, x.shape[-1])], -2)


def halvings(attention: MultiheadAttention, query: Shape, *others: Shape) -> tuple[int, int]:
    """Return how often the scores are halved, and how often what comes from the values is."""
    key = others[0] if others else query
    length = 1 if len(query) == 3 and attention.batch_first else 0
    batch = query[1 - length] if len(query) == 3 else 1
    heads, keys = attention.num_heads, key[length] + attention.added
    features = attention.embed_dim // heads
    scored, _ = halvings_of_products((batch, heads, query[length], keys), features, BYTES_AT_ONCE)
    weighted, _ = halvings_of_products((batch, heads, query[length], features), keys, BYTES_AT_ONCE)
    return scored, weighted


def candidate(attention: MultiheadAttention, *shapes: Shape) -> nn.Module:
    import math

    import torch
    from einops import rearrange
    from torch import nn
    from torch.nn import functional

    from convcheck.modules.parts import dot_products, in_halves

    width, heads, bias = attention.embed_dim, attention.num_heads, attention.bias
    together, apart = layouts(attention, shapes[0])
    added = attention.added
    scored, weighted = halvings(attention, *shapes)

    class MultiheadSum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.to_q = nn.Linear(width, width, bias)
            self.to_k = nn.Linear(attention.key_features, width, bias)
            self.to_v = nn.Linear(attention.value_features, width, bias)
            self.out = nn.Linear(width, width, bias)
            if attention.add_bias_kv:
                self.bias_k, self.bias_v = (nn.Parameter(torch.empty(1, 1, width)) for _ in range(2))

        def forward(self, query: Tensor, *others: Tensor) -> Tensor:
            if len(shapes) == 1:
                key, value = query, query
            elif len(shapes) == 3:
                key, value = others
            else:
                key, value, mask = others
            q, k, v = (self.split(x) for x in (self.to_q(query), self.to_k(key), self.to_v(value)))
            if attention.add_bias_kv:
                # One more position that every query may see.
                k, v = with_position(k, self.bias_k, heads), with_position(v, self.bias_v, heads)
            if attention.add_zero_attn:
                k, v = (functional.pad(x, (0, 0, 0, 1)) for x in (k, v))
            q = q / math.sqrt(width // heads)
            # [l, 1, d] * [1, s, d], summed over d
            scores = in_halves(q, k, scored) if scored else dot_products(q, k)
            if len(shapes) > 3:
                if added:
                    # What is added may be seen by all.
                    mask = functional.pad(mask, (0, added))
                if len(shapes[0]) == len(shapes[3]) == 3:
                    mask = rearrange(mask, "(b h) l s -> b h l s", h=heads)
                scores = scores + mask
                # A query that may see no key at all makes zeros, of which no NaN flows back.
                blind = (scores == -math.inf).all(-1, keepdim=True)
                scores = scores.masked_fill(blind, 0.0)
            weights = torch.softmax(scores, -1)
            if len(shapes) > 3:
                weights = weights.masked_fill(blind, 0.0)
            # [l, 1, s] * [1, d, s], summed over s
            y = in_halves(weights, v.mT, weighted) if weighted else dot_products(weights, v.mT)
            joined: Tensor = self.out(rearrange(y, f"{apart} -> {together}"))
            return joined

        def split(self, x: Tensor) -> Tensor:
            return rearrange(x, f"{together} -> {apart}", h=heads)

    return MultiheadSum()


def weights(attention: MultiheadAttention, query: Shape, *others: Shape) -> Mapping[str, Recipe]:
    moved: dict[str, Recipe] = {
        "out.weight": ("out_proj.weight", "o i -> o i"),
        "out.bias": ("out_proj.bias", "o -> o"),
        "bias_k": ("bias_k", "1 1 o -> 1 1 o"),
        "bias_v": ("bias_v", "1 1 o -> 1 1 o"),
    }
    for index, letter in enumerate("qkv"):
        part = f" | part o {index + 1} 3"
        apart = (f"{letter}_proj_weight", "o i -> o i")
        moved[f"to_{letter}.weight"] = ("in_proj_weight", "o i -> o i" + part) if attention.packed else apart
        moved[f"to_{letter}.bias"] = ("in_proj_bias", "o -> o" + part)
    return moved


def analysis(
    attention: MultiheadAttention, inputs: tuple[Tensor, ...], parameters: Mapping[str, Tensor], unit: Any
) -> Tensor:
    """Follow the errors through the projections, the attention and the last projection, for two sides alike."""
    import math

    from einops import rearrange
    from torch.nn import functional

    from convcheck.rounding import running_error
    from convcheck.rounding.precision import LAMBDA
    from convcheck.rounding.running_error import Computed

    query, key, value = inputs[:3] if len(inputs) > 1 else inputs * 3
    heads, (together, apart) = attention.num_heads, layouts(attention, tuple(query.shape))

    def project(letter: str, x: Tensor) -> Computed:
        index = "qkv".index(letter)
        packed = attention.packed
        weight = parameters["in_proj_weight"].chunk(3)[index] if packed else parameters[f"{letter}_proj_weight"]
        bias = parameters["in_proj_bias"].chunk(3)[index] if attention.bias else None
        projected = running_error.linear(running_error.exactly(x), weight, bias, unit)
        return projected.mapped(lambda y: rearrange(y, f"{together} -> {apart}", h=heads))

    def lengthened(letter: str, x: Tensor) -> Computed:
        """Project key or value, and add the positions behind, which are known exactly."""
        longer = project(letter, x).mapped(lambda y: functional.pad(y, (0, 0, 0, attention.added)))
        if attention.add_bias_kv:
            row = rearrange(parameters[f"bias_{letter}"], "1 1 (h d) -> h d", h=heads)
            longer.value[..., -attention.added, :] = row
        return longer

    mask = functional.pad(inputs[3], (0, attention.added)) if len(inputs) > 3 else None
    if mask is not None and mask.dim() == query.dim() == 3:
        mask = rearrange(mask, "(b h) l s -> b h l s", h=heads)
    scale = 1 / math.sqrt(attention.embed_dim // heads)
    v = lengthened("v", value)
    weights = running_error.attention_weights(project("q", query), lengthened("k", key), scale, mask, unit)
    known = running_error.exactly(weights.value)
    y = running_error.dot_products(known, v.mapped(lambda x: x.mT), unit)
    joined = y.mapped(lambda x: rearrange(x, f"{apart} -> {together}"))
    out = parameters["out_proj.weight"]
    one_side = running_error.linear(joined, out, parameters.get("out_proj.bias"), unit).error
    # What the weights of a head are off by changes all its features alike, and so goes through both products at once;
    # it is rounded on the way as the features themselves are.
    terms = weights.value.shape[-1] + attention.embed_dim
    rounded = 2 * LAMBDA * math.sqrt(terms) * unit.accumulator + 4 * unit.output
    for head, out_weight in enumerate(rearrange(out, "o (h d) -> h d o", h=heads)):
        features, error = v.value[..., head, :, :], v.error[..., head, :, :]
        effect = (features @ out_weight).abs() + (error + rounded * (features.abs() + error)) @ out_weight.abs()
        change = weights.error[..., head, :, :] @ effect
        one_side = one_side + (change.transpose(0, 1) if together.startswith("l b") else change)
    return 2 * one_side


REWRITE = Rewrite(
    claim=__doc__,
    summary="projections, heads by einops, attention in each",
    reference="MultiheadAttention",
    holds_when="always",
    formula="y = W_o concat over h of (P_h W_v[h] value) + b_o, with P_h the softmax of "
    "(W_q[h] query) . (W_k[h] key) / sqrt(d), and the three projections cut from in_proj_weight",
    derivation=(
        "in_proj_weight is three projections, one below the other. Each head has d of their features, attends by "
        "itself, and the heads' outputs, side by side, are projected once more: the layer's definition."
    ),
    source="A. Vaswani et al., Attention Is All You Need, 2017, section 3.2.2",
    families=(MultiheadAttention,),
    example="MultiheadAttention(embed_dim=16, num_heads=4, batch_first=True)",
    candidate=candidate,
    weights=weights,
    relative_cost=10,
    analysis=analysis,
)
