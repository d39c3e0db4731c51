"""Two Linears with nothing between are one Linear."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from convcheck.layers import Linear, Roundings, Sequential
from convcheck.rewriting.chains import chain_refusal
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def in_a_row(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (Linear,), (Linear,)):
        yield refusal


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from torch import nn

    first, second = cast("tuple[Linear, Linear]", chain.layers)
    return nn.Linear(first.in_features, second.out_features, bias=first.bias or second.bias)


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    first, second = cast("tuple[Linear, Linear]", chain.layers)

    def merged_weights(outer: Tensor, inner: Tensor) -> Tensor:
        # Of shapes [o, m] and [m, i].
        return outer @ inner

    def merged_biases(outer: Tensor, first_bias: Tensor, *others: Tensor) -> Tensor:
        bias = outer @ first_bias
        if second.bias:
            (second_bias,) = others
            bias = bias + second_bias
        return bias

    formula = "b[o] = sum over m of B[o, m] * a[m]" + (" + c[o]" if second.bias else "")
    sources = ("1.weight", "0.bias", *(("1.bias",) if second.bias else ()))
    return {
        "weight": Merge(
            ("1.weight", "0.weight"),
            (second.out_features, first.in_features),
            merged_weights,
            "W[o, i] = sum over m of B[o, m] * A[m, i]",
        ),
        "bias": Merge(sources, (second.out_features,), merged_biases, formula) if first.bias else ("1.bias", "o -> o"),
    }


def macs(chain: Sequential, shape: Shape) -> int:
    return math.prod(chain.output_shape(shape)) * cast(Linear, chain.layers[0]).in_features


REWRITE = Rewrite(
    claim=__doc__,
    summary="two Linears in one",
    reference="Sequential of two Linear",
    holds_when="always",
    formula="W[o, i] = sum over m of B[o, m] * A[m, i], b[o] = c[o] + sum over m of B[o, m] * a[m]",
    derivation="B (A x + a) + c = (B A) x + (B a + c).",
    source="a product of matrices is associative; E. Hu et al., LoRA, 2021, section 4.1, merges its two so",
    families=(Sequential,),
    example="Sequential(Linear(16, 4, bias=False), Linear(4, 24))",
    preconditions=(in_a_row,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    # A merged weight is rounded once, its bias twice; then the Linear is, and where its bias is added apart.
    roundings=lambda chain: Roundings(4 + int(chain.layers[0].bias or chain.layers[1].bias)),
    training="two matrices become one with values of its own, in which they cannot be told apart again; an optimiser "
    "step leaves the rank that two such matrices can have",
)
