"""Linears with nothing between are one Linear."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from convcheck.layers import Linear, Roundings, Sequential
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def in_a_row(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    kinds = ", then ".join(layer.kind for layer in chain.layers)
    if len(chain.layers) < 2 or not all(isinstance(layer, Linear) for layer in chain.layers):
        yield Refusal("chain", kinds, "needs to be Linear, then Linear, and so on", vacuous=True)


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from torch import nn

    layers = cast("tuple[Linear, ...]", chain.layers)
    return nn.Linear(layers[0].in_features, layers[-1].out_features, bias=any(layer.bias for layer in layers))


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    layers = cast("tuple[Linear, ...]", chain.layers)
    biased = [number for number, layer in enumerate(layers) if layer.bias]

    def merged_weights(outer: Tensor, *inner: Tensor) -> Tensor:
        # Of shapes [o, m], [m, n], ..., the last of which is [z, i].
        for matrix in inner:
            outer = outer @ matrix
        return outer

    factors = tuple(f"{number}.weight" for number in reversed(range(len(layers))))
    merge = Merge(
        factors,
        (layers[-1].out_features, layers[0].in_features),
        merged_weights,
        " @ ".join(factors),
    )
    if not biased:
        return {"weight": merge}
    first, adds = biased[0], tuple(layer.bias for layer in layers[biased[0] + 1 :])
    if not adds:
        return {"weight": merge, "bias": (f"{first}.bias", "o -> o")}

    def merged_biases(bias: Tensor, *others: Tensor) -> Tensor:
        rest = iter(others)
        for is_added in adds:
            bias = next(rest) @ bias
            if is_added:
                bias = bias + next(rest)
        return bias

    sources, formula = [f"{first}.bias"], f"{first}.bias"
    for number, is_added in enumerate(adds, start=first + 1):
        sources += [f"{number}.weight", *([f"{number}.bias"] if is_added else [])]
        formula = f"{number}.weight @ {formula}" if " + " not in formula else f"{number}.weight @ ({formula})"
        formula += f" + {number}.bias" if is_added else ""
    return {"weight": merge, "bias": Merge(tuple(sources), (layers[-1].out_features,), merged_biases, formula)}


def macs(chain: Sequential, shape: Shape) -> int:
    return math.prod(chain.output_shape(shape)) * cast(Linear, chain.layers[0]).in_features


REWRITE = Rewrite(
    claim=__doc__,
    summary="two or more Linears in one",
    reference="Sequential of two or more Linear",
    holds_when="always",
    formula="W[o, i] = sum over m of B[o, m] * A[m, i], b[o] = c[o] + sum over m of B[o, m] * a[m]",
    derivation="B (A x + a) + c = (B A) x + (B a + c); of more than two, one after the other.",
    source="a product of matrices is associative; E. Hu et al., LoRA, 2021, section 4.1, merges its two so",
    families=(Sequential,),
    example="Sequential(Linear(16, 4, bias=False), Linear(4, 24))",
    preconditions=(in_a_row,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    # A weight is rounded once for every product, a bias twice; then the Linear is, and where its bias is added apart.
    roundings=lambda chain: Roundings(2 * len(chain.layers) + int(any(layer.bias for layer in chain.layers))),
    training="several matrices become one with values of its own, in which they cannot be told apart again; an "
    "optimiser step leaves the rank that such matrices can have",
)
