"""Attention is broadcast products and a softmax: scores summed over features, and values over the keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import DotProductAttention
from convcheck.rewriting.halves import halvings_of_products
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

BYTES_AT_ONCE = 2**26
"""So many bytes of products are in memory at once, or those of one output."""


def halvings(attention: DotProductAttention, *shapes: Shape) -> tuple[int, int]:
    """Return how often the scores are halved, and how often the output is."""
    query, key, *_ = shapes
    output = attention.output_shape(*shapes)
    scored, _ = halvings_of_products((*output[:-1], key[-2]), query[-1], BYTES_AT_ONCE)
    weighted, _ = halvings_of_products(output, key[-2], BYTES_AT_ONCE)
    return scored, weighted


def candidate(attention: DotProductAttention, *shapes: Shape) -> nn.Module:
    import math

    import torch
    from torch import nn

    from convcheck.modules.parts import dot_products, in_halves

    scored, weighted = halvings(attention, *shapes)

    class AttentionSum(nn.Module):
        def forward(self, query: Tensor, key: Tensor, value: Tensor, *others: Tensor) -> Tensor:
            if attention.attn_mask:
                (mask,) = others
            if attention.enable_gqa:
                # Each head of key and value serves several heads of the query, one after the other.
                key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
            query = query * (query.shape[-1] ** -0.5 if attention.scale is None else attention.scale)
            # [l, 1, e] * [1, s, e], summed over e
            scores = in_halves(query, key, scored) if scored else dot_products(query, key)
            if attention.is_causal:
                visible = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
                scores = scores.masked_fill(~visible, -math.inf)
            if attention.attn_mask == "bool":
                scores = scores.masked_fill(~mask, -math.inf)
            if attention.attn_mask == "float":
                scores = scores + mask
            # A query that may see no key at all makes zeros, of which no NaN flows back.
            blind = (scores == -math.inf).all(-1, keepdim=True)
            scores = scores.masked_fill(blind, 0.0)
            weights = torch.softmax(scores, -1).masked_fill(blind, 0.0)
            # [l, 1, s] * [1, v, s], summed over s
            return in_halves(weights, value.mT, weighted) if weighted else dot_products(weights, value.mT)

    return AttentionSum()


def input_scales(attention: DotProductAttention, query: Shape, *others: Shape) -> tuple[float, ...]:
    """Share out to query and key what makes scores of order 1, as far as float64 holds their product itself."""
    import math

    root = 1 / math.sqrt(max(abs(attention.factor(query)) * math.sqrt(query[-1]), 1e-300))
    return (root, root, *[1.0] * (len(others) - 1))


def analysis(
    attention: DotProductAttention, inputs: tuple[Tensor, ...], parameters: Mapping[str, Tensor], unit: Any
) -> Tensor:
    """Follow the errors of one side, and allow them twice: neither rounds more often."""
    import torch

    from convcheck.rounding import running_error

    query, key, value, *masks = inputs
    if attention.enable_gqa:
        key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    mask = masks[0] if masks else None
    if attention.is_causal:
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    q, k, v = map(running_error.exactly, (query, key, value))
    weights = running_error.attention_weights(q, k, attention.factor(tuple(query.shape)), mask, unit)
    return 2 * running_error.dot_products(weights, v.mapped(lambda x: x.mT), unit).error


REWRITE = Rewrite(
    claim=__doc__,
    summary="broadcast products, softmax, and a sum over the keys",
    reference="scaled_dot_product_attention",
    holds_when="always",
    formula="o[l, v] = sum over s of P[l, 1, s] * value[s, v], with P[l] the softmax over s of "
    "(scale * (sum over e of query[l, 1, e] * key[1, s, e]) + mask[l, s])",
    derivation=(
        "A matrix product is a broadcast product, summed over the axis that both sides share. Done for query and key, "
        "and again for the softmax's rows and value, that is the layer's definition."
    ),
    source="A. Vaswani et al., Attention Is All You Need, 2017, equation 1",
    families=(DotProductAttention,),
    example="scaled_dot_product_attention(is_causal=True)",
    candidate=candidate,
    relative_cost=40,
    analysis=analysis,
    input_scales=input_scales,
)
