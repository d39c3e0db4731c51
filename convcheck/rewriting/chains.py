"""Chains of layers that become one. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from convcheck.layers import BatchNorm, Conv, Layer, Sequential
from convcheck.rewriting.rewrite import Recipe, Refusal
from convcheck.rewriting.transplant import Merge
from convcheck.rewriting.zeros import block_diagonal
from convcheck.sizes.patterns import Shape

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


def norm_behind(chain: Sequential) -> BatchNorm | None:
    """Return the BatchNorm behind two layers; None where there are two alone."""
    norm = chain.layers[2] if len(chain.layers) == 3 else None
    return norm if isinstance(norm, BatchNorm) else None


def convs_refusal(chain: Sequential, shape: Shape) -> Refusal | None:
    """Return why a chain is not two convolutions, with a BatchNorm behind them or without; None if it is."""
    norm = norm_behind(chain)
    if norm is None:
        return chain_refusal(chain, (Conv,), (Conv,))
    if refusal := chain_refusal(replace(chain, layers=chain.layers[:2]), (Conv,), (Conv,)):
        return refusal
    if not norm.track_running_stats:
        return Refusal(
            "track_running_stats", False, "needs to be True", "the batch's own would be taken, in eval mode too"
        )
    if len(shape) != chain.layers[0].dims + 2:
        return Refusal("input", list(shape), "needs a batch, so that axis 1 is BatchNorm's channels")
    return None


def norm_sources(norm: BatchNorm | None) -> tuple[str, ...]:
    """Return what a weight is scaled by: the variance of a BatchNorm behind two layers, and its gamma."""
    return () if norm is None else ("2.running_var", *(("2.weight",) if norm.affine else ()))


def scaled(weight: Tensor, eps: float, variance: Tensor, gamma: Tensor | None = None) -> Tensor:
    """Return a tensor `[o, ...]` times what a BatchNorm multiplies every channel with."""
    root = (variance + eps).sqrt()
    scale = root.reciprocal() if gamma is None else gamma / root
    return weight * scale.reshape(-1, *[1] * (weight.dim() - 1))


def merged_bias(first: Conv, second: Conv, formula: str, norm: BatchNorm | None = None) -> Recipe | Merge:
    """Return the recipe of the bias, `[o]`, of two convolutions merged to one, with a BatchNorm behind them or without.

    `formula` describes it to a reader, without the second convolution's bias.
    """
    if norm is not None:
        return _normed_bias(first, second, norm)
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


def _normed_bias(first: Conv, second: Conv, norm: BatchNorm) -> Merge:
    eps = norm.eps

    def normed_biases(mean: Tensor, *others: Tensor) -> Tensor:
        rest = iter(others)
        bias = -mean
        if first.bias:
            weight = block_diagonal(next(rest), second.groups)
            bias = bias + weight.flatten(2).sum(2) @ next(rest)
        if second.bias:
            bias = bias + next(rest)
        bias = scaled(bias, eps, next(rest), next(rest)) if norm.affine else scaled(bias, eps, next(rest))
        if norm.bias:
            bias = bias + next(rest)
        return bias

    sources = (
        "2.running_mean",
        *(("1.weight", "0.bias") if first.bias else ()),
        *(("1.bias",) if second.bias else ()),
        *norm_sources(norm),
        *(("2.bias",) if norm.bias else ()),
    )
    formula = "(the bias of both - mean[o]) * scale[o]" + (" + beta[o]" if norm.bias else "")
    return Merge(sources, (second.out_channels,), normed_biases, formula)
