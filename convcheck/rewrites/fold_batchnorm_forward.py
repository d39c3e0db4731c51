"""BatchNorm in eval mode, then a layer without zero padding, is one layer with a scaled weight and a shifted bias."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from convcheck.layers import BatchNorm, Conv, Linear, Roundings, Sequential
from convcheck.rewriting.chains import chain_refusal
from convcheck.rewriting.preconditions import is_padded, written_padding
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def foldable(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (BatchNorm,), (Conv, Linear)):
        yield refusal
        return
    norm, layer = chain.layers
    if not cast(BatchNorm, norm).track_running_stats:
        why = "without running statistics the batch's own are taken, in eval mode too"
        yield Refusal("track_running_stats", False, "needs to be True", why)
    if len(shape) != layer.dims + 2:
        yield Refusal(
            "input", list(shape), f"needs {layer.dims + 2} axes, so that BatchNorm's channels are the layer's"
        )
    if isinstance(layer, Conv) and is_padded(layer) and layer.padding_mode == "zeros":
        why = "at the border the layer sees zeros that BatchNorm did not shift, and one layer would see its shift there"
        yield Refusal("padding of layer 1", written_padding(layer), "needs to be 0", why)


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from torch import nn

    layer = chain.layers[1]
    arguments: dict[str, Any] = {**layer.arguments(), "bias": True}
    folded: nn.Module = getattr(nn, layer.kind)(**arguments)
    return folded


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    norm, layer = cast(BatchNorm, chain.layers[0]), chain.layers[1]
    parameters, eps = layer.parameters(), norm.eps
    size = parameters["weight"]
    groups = layer.axis_sizes().get("g", 1)
    biased = "bias" in parameters
    ones = (1,) * len(size[2:])

    def scaled_kernels(weight: Tensor, variance: Tensor, *others: Tensor) -> Tensor:
        if norm.affine:
            (gamma,) = others
        root = (variance + eps).sqrt()
        scale = gamma / root if norm.affine else root.reciprocal()
        # [(g o), i, k]: the outputs of one group see its own inputs.
        grouped = weight.reshape(groups, -1, *weight.shape[1:]) * scale.reshape(groups, 1, -1, *ones)
        return grouped.reshape(weight.shape)

    def shifted_biases(weight: Tensor, mean: Tensor, variance: Tensor, *others: Tensor) -> Tensor:
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
        shift = beta - mean * scale if norm.bias else -mean * scale
        # Of shape [g, o, i]: what a constant in an input channel becomes.
        taps = weight.reshape(groups, -1, weight.shape[1], weight[0, 0].numel()).sum(3)
        shifts = (taps @ shift.reshape(groups, -1, 1)).flatten()
        return shifts + bias if biased else shifts

    factor = ("0.weight",) if norm.affine else ()
    others = (*factor, *(("0.bias",) if norm.bias else ()), *(("1.bias",) if biased else ()))
    times, plus = (" * gamma[i]" if norm.affine else ""), ("beta[i] " if norm.bias else "")
    root = "sqrt(variance[i] + eps)"
    shift = f"{plus}- mean[i]{times} / {root}"
    formula = f"sum over i, k of W[o, i, k] * ({shift})" + (" + b[o]" if biased else "")
    statistics = ("0.running_mean", "0.running_var")
    return {
        "weight": Merge(("1.weight", "0.running_var", *factor), size, scaled_kernels, f"W[o, i, k]{times} / {root}"),
        "bias": Merge(("1.weight", *statistics, *others), (size[0],), shifted_biases, formula),
    }


def roundings(chain: Sequential) -> Roundings:
    layer = dataclasses.replace(chain.layers[1], bias=True).roundings()  # type: ignore[call-arg]  # both have one
    # A root, its sum and quotient, and the product are rounded for a weight; for the bias a product, a difference, two
    # sums and the last one, too.
    return Roundings(layer.sums + int(layer.bias_apart) + 9)


REWRITE = Rewrite(
    claim=__doc__,
    summary="BatchNorm folded into the layer behind it",
    reference="Sequential of BatchNorm, and Conv or Linear",
    holds_when="eval mode with running statistics, a batched input, and no padding with zeros; other padding modes pad "
    "what BatchNorm made",
    formula="W'[o, i] = W[o, i] * s[i], b'[o] = b[o] + sum over i, k of W[o, i, k] * (beta[i] - mean[i] * s[i]), with "
    "s[i] = gamma[i] / sqrt(var[i] + eps)",
    derivation=(
        "In eval mode, BatchNorm is x[i] * s[i] + beta[i] - mean[i] * s[i]. Put that into the layer's sum: the factor "
        "goes into the weight, and what is added is multiplied by the weight and summed over i and k, the same at "
        "every position as long as none reads a zero that was padded."
    ),
    source="torch.nn.BatchNorm2d in eval mode, whose shift a linear layer takes through its sums",
    families=(Sequential,),
    example="Sequential(BatchNorm2d(8), Conv2d(8, 4, 3, bias=False))",
    preconditions=(foldable,),
    candidate=candidate,
    weights=weights,
    macs=lambda chain, shape: chain.layers[1].macs(shape),
    roundings=roundings,
    saving="a multiplication and an addition for every entry of the input, and a pass over it; MACs count neither",
    training="the statistics are frozen into the weights, and gamma and beta cannot be told apart from them again; in "
    "train mode BatchNorm takes the batch's own statistics, so fold after training",
)
