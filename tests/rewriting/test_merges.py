"""Weights that merge: a fault in the formula is found, and neither merges nor parts that differ have a way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import integer_probes
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Exact
from convcheck.rewriting.steps import NoWayBackError
from convcheck.rewriting.transplant import Merge, Transplant

NORMALISED = "Sequential(Conv2d(3, 4, 3), BatchNorm2d(4, eps=0.001))"
POINTWISE_FIRST = "Sequential(Conv2d(3, 4, 1), Conv2d(4, 5, 3))"
SEPARABLE = "Sequential(Conv2d(3, 6, 3, groups=3), Conv2d(6, 4, 1))"


def pair_of(name: str, text: str) -> Pair:
    layer = parse_layer(text)
    return build_pair(Claim(Case("case", layer, layer.example_inputs(), (name,)), name, catalogue()[name], ()))


def recomputed(pair: Pair, target: str, compute: Callable[..., Tensor]) -> Pair:
    """Return the pair with another formula for one of the candidate's parameters."""
    assert any(isinstance(move, Merge) and move.target == target for move in pair.mapping.moves)
    moves = tuple(
        dataclasses.replace(move, compute=compute) if isinstance(move, Merge) and move.target == target else move
        for move in pair.mapping.moves
    )
    return dataclasses.replace(pair, mapping=Transplant(moves))


FAULTS: dict[str, tuple[str, str, str, Callable[..., Tensor]]] = {
    "no eps": (
        *("fold-batchnorm", NORMALISED, "weight"),
        lambda weight, var, gamma: weight * (gamma / var.sqrt())[:, None, None, None],
    ),
    "no root": (
        *("fold-batchnorm", NORMALISED, "weight"),
        lambda weight, var, gamma: weight * (gamma / (var + 0.001))[:, None, None, None],
    ),
    "another eps": (
        *("fold-batchnorm", NORMALISED, "weight"),
        lambda weight, var, gamma: weight * (gamma / (var + 0.00101).sqrt())[:, None, None, None],
    ),
    "the scale of another channel": (
        *("fold-batchnorm", NORMALISED, "weight"),
        lambda weight, var, gamma: weight * (gamma / (var + 0.001).sqrt()).roll(1)[:, None, None, None],
    ),
    "the mean added": (
        *("fold-batchnorm", NORMALISED, "bias"),
        lambda mean, var, gamma, beta, bias: (bias + mean) * gamma / (var + 0.001).sqrt() + beta,
    ),
    "the layer's own bias forgotten": (
        *("fold-batchnorm", NORMALISED, "bias"),
        lambda mean, var, gamma, beta, bias: 0 * bias - mean * gamma / (var + 0.001).sqrt() + beta,
    ),
    "the first bias not carried through": (
        *("merge-convs", POINTWISE_FIRST, "conv.bias"),
        lambda outer, bias, own: own + 0 * outer.sum() + 0 * bias.sum(),
    ),
    "the first bias carried through one tap": (
        *("merge-convs", POINTWISE_FIRST, "conv.bias"),
        lambda outer, bias, own: own + outer[:, :, 0, 0] @ bias,
    ),
    "depthwise channels in another order": (
        *("merge-separable", SEPARABLE, "conv.weight"),
        lambda point, depth: (
            (point.reshape(4, 2, 3, 1).transpose(1, 2).reshape(4, 3, 2, 1) * depth.reshape(3, 2, 9))
            .sum(2)
            .reshape(4, 3, 3, 3)
        ),
    ),
}


@pytest.mark.parametrize(("name", "text", "target", "compute"), FAULTS.values(), ids=FAULTS.keys())
def test_a_wrong_formula_is_found_by_the_first_probe(
    name: str, text: str, target: str, compute: Callable[..., Tensor]
) -> None:
    right = pair_of(name, text)
    assert integer_probes.probe(right, seed=0).status is Agreement.IDENTICAL
    found = integer_probes.probe(recomputed(right, target, compute), seed=0)
    assert found.details["exact"] == Exact(Agreement.DIFFERENT, 1)


def test_from_a_merge_there_is_no_way_back_and_what_merged_is_named() -> None:
    transplant = pair_of("merge-convs", POINTWISE_FIRST).mapping
    with pytest.raises(NoWayBackError, match=r"conv\.weight is .*: 1\.weight and 0\.weight are merged"):
        transplant.backward({"conv.weight": torch.zeros(5, 3, 3, 3), "conv.bias": torch.zeros(5)})


def test_a_zero_that_was_trained_has_no_way_back_and_is_named() -> None:
    layer = parse_layer("Sequential(Conv2d(4, 8, 3, groups=4), PixelShuffle(2))")
    transplant = catalogue()["shuffle-as-transposed"].transplant(layer, layer.example_inputs())
    there = transplant.forward({name: torch.randn(shape) for name, shape in layer.parameters().items()})
    assert not transplant.one_to_one()
    weight = there["transposed.weight"]
    at = tuple((weight == 0).nonzero()[0].tolist())
    weight[at] = 1
    with pytest.raises(NoWayBackError, match=r"transposed\.weight.* is 1\.0; by 'blocks i 4' it is 0"):
        transplant.backward(there)
