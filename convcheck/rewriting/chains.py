"""Chains of two layers that become one. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcheck.layers import Conv, Layer, Sequential
from convcheck.rewriting.rewrite import Recipe, Refusal
from convcheck.rewriting.transplant import Merge
from convcheck.rewriting.zeros import block_diagonal

if TYPE_CHECKING:
    from torch import Tensor


def chain_refusal(chain: Sequential, first: tuple[type[Layer], ...], second: tuple[type[Layer], ...]) -> Refusal | None:
    """Return why a chain is not one layer of the first kinds, then one of the second; None if it is."""
    layers = chain.layers
    if len(layers) == 2 and isinstance(layers[0], first) and isinstance(layers[1], second):
        return None

    def names(families: tuple[type[Layer], ...]) -> str:
        return " or ".join(family.__name__ for family in families)

    kinds = ", then ".join(layer.kind for layer in layers)
    return Refusal("chain", kinds, f"needs to be {names(first)}, then {names(second)}", vacuous=True)


def merged_bias(first: Conv, second: Conv, formula: str) -> Recipe | Merge:
    """Return the recipe of the bias, `[o]`, of two convolutions merged to one.

    `formula` describes it to a reader, without the second convolution's bias.
    """
    if not first.bias:
        return "1.bias", "o -> o"

    def merged_biases(weight: Tensor, first_bias: Tensor, *others: Tensor) -> Tensor:
        weight = block_diagonal(weight, second.groups)
        bias = weight.flatten(2).sum(2) @ first_bias
        if second.bias:
            (second_bias,) = others
            bias = bias + second_bias
        return bias

    sources = ("1.weight", "0.bias", *(("1.bias",) if second.bias else ()))
    return Merge(sources, (second.out_channels,), merged_biases, formula + (" + c[o]" if second.bias else ""))
