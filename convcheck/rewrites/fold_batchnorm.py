"""A layer, then BatchNorm in eval mode, is one layer with a scaled weight and a shifted bias."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from convcheck.layers import BatchNorm, Conv, ConvTranspose, Linear, Roundings, Sequential
from convcheck.rewriting.chains import chain_refusal
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def foldable(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (Conv, ConvTranspose, Linear), (BatchNorm,)):
        yield refusal
        return
    layer, norm = chain.layers
    if not cast(BatchNorm, norm).track_running_stats:
        why = "without running statistics the batch's own are taken, in eval mode too"
        yield Refusal("track_running_stats", False, "needs to be True", why)
    if len(shape) != layer.dims + 2:
        made = list(layer.output_shape(shape))
        need = f"needs {layer.dims + 2} axes, so that axis 1 of {layer.kind}'s output, {made}, is its channels"
        yield Refusal("input", list(shape), need)


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from torch import nn

    layer = chain.layers[0]
    arguments: dict[str, Any] = {**layer.arguments(), "bias": True}
    folded: nn.Module = getattr(nn, layer.kind)(**arguments)
    return folded


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    layer, norm = chain.layers[0], cast(BatchNorm, chain.layers[1])
    parameters, eps = layer.parameters(), norm.eps
    transposed = isinstance(layer, ConvTranspose)
    groups = layer.axis_sizes().get("g", 1)
    biased = "bias" in parameters
    ones = (1,) * len(parameters["weight"][2:])

    def scaled_kernels(weight: Tensor, variance: Tensor, *others: Tensor) -> Tensor:
        if norm.affine:
            (gamma,) = others
        root = (variance + eps).sqrt()
        scale = gamma / root if norm.affine else root.reciprocal()
        if not transposed:
            return weight * scale.reshape(-1, 1, *ones)
        # [(g i), o, k]: the outputs of one group belong to its own inputs.
        grouped = weight.reshape(groups, -1, *weight.shape[1:]) * scale.reshape(groups, 1, -1, *ones)
        return grouped.reshape(weight.shape)

    def shifted_biases(mean: Tensor, variance: Tensor, *others: Tensor) -> Tensor:
        if biased and norm.bias:
            gamma, beta, bias = others
        elif biased and norm.affine:
            gamma, bias = others
        elif biased:
            (bias,) = others
        elif norm.bias:
            gamma, beta = others
        elif norm.affine:
            (gamma,) = others
        root = (variance + eps).sqrt()
        scale = gamma / root if norm.affine else root.reciprocal()
        shifted = (bias - mean if biased else -mean) * scale
        return shifted + beta if norm.bias else shifted

    factor = ("1.weight",) if norm.affine else ()
    others = (*factor, *(("1.bias",) if norm.bias else ()), *(("0.bias",) if biased else ()))
    times, plus = (" * gamma[o]" if norm.affine else ""), (" + beta[o]" if norm.bias else "")
    root = "sqrt(variance[o] + eps)"
    shifted = "(b[o] - mean[o])" if biased else "-mean[o]"
    weight_formula, bias_formula = f"W[o, ...]{times} / {root}", f"{shifted}{times} / {root}{plus}"
    statistics = ("1.running_mean", "1.running_var")
    return {
        "weight": Merge(("0.weight", "1.running_var", *factor), parameters["weight"], scaled_kernels, weight_formula),
        "bias": Merge((*statistics, *others), (norm.num_features,), shifted_biases, bias_formula),
    }


def roundings(chain: Sequential) -> Roundings:
    layer = dataclasses.replace(chain.layers[0], bias=True).roundings()  # type: ignore[call-arg]  # all three have one
    # A root, its sum and quotient, and the product are rounded for a weight; for the bias a difference and a sum, too.
    return Roundings(layer.sums + int(layer.bias_apart) + 6)


REWRITE = Rewrite(
    claim=__doc__,
    summary="BatchNorm folded into the layer before it",
    reference="Sequential of Conv, ConvTranspose or Linear, and BatchNorm",
    holds_when="eval mode with running statistics, and a batched input",
    formula="W'[o] = W[o] * gamma[o] / sqrt(var[o] + eps), b'[o] = (b[o] - mean[o]) * gamma[o] / sqrt(var[o] + eps) + "
    "beta[o]",
    derivation=(
        "In eval mode, BatchNorm multiplies every channel z by gamma / sqrt(var + eps), after mean is taken away, and "
        "adds beta. A layer that is a sum of products plus a bias takes the factor into its weight, and all of it into "
        "its bias."
    ),
    source="torch.nn.BatchNorm2d in eval mode; torch.nn.utils.fusion.fuse_conv_bn_eval does the same",
    families=(Sequential,),
    example="Sequential(Conv2d(3, 8, 3, padding=1, bias=False), BatchNorm2d(8))",
    preconditions=(foldable,),
    candidate=candidate,
    weights=weights,
    macs=lambda chain, shape: chain.layers[0].macs(shape),
    roundings=roundings,
    saving="a multiplication and an addition for every entry of the output, and a pass over it; MACs count neither",
    training="the statistics are frozen into the weights, and gamma and beta cannot be told apart from them again; in "
    "train mode BatchNorm takes the batch's own statistics, so fold after training",
)
