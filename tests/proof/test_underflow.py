"""What is lost below the normal range is counted exactly, on numbers that make every count a whole number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence.underflow import lost_between
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rounding.precision import arithmetic
from convcheck.sides.sample import Sample
from convcheck.sizes.patterns import Shape

WHOLE = replace(arithmetic(torch.float32, torch.device("cpu")), smallest_sum=0.0)
"""An arithmetic in which sums lose nothing, so that only roundings count."""

FIRST = {"0.weight": 2.0, "0.bias": 3.0}
CONV = {**FIRST, "1.weight": -8.0, "1.bias": 7.0}
# A weight of -4 over the root of a variance of 1/4 makes -8.
NORM = {**FIRST, "1.weight": -4.0, "1.bias": 7.0, "1.running_mean": 5.0, "1.running_var": 0.25}


def lost(layer: str, shape: Shape, name: str, numbers: Mapping[str, float]) -> tuple[Pair, Sides[Tensor]]:
    """Return what is lost where every input is -5, and every parameter and statistic one number."""
    case = Case("case", parse_layer(layer), (shape,), (name,))
    pair = build_pair(Claim(case, name, catalogue()[name], ()))
    statistics = {name: statistic.shape for name, statistic in pair.reference.statistics.items()}
    parameters = {
        name: torch.full(shape, numbers[name], dtype=torch.float64)
        for name, shape in {**pair.reference.parameters, **statistics}.items()
    }
    sample = Sample((torch.full(shape, -5.0, dtype=torch.float64),), parameters)
    sides = lost_between(pair, sample, WHOLE)
    return pair, Sides(torch.as_tensor(sides.reference), torch.as_tensor(sides.candidate))


BETWEEN = {
    "one sum, in a wider type": ("Sequential(Conv1d(2, 3, 2), Conv1d(3, 1, 1))", (1, 2, 4), "merge-convs", CONV, 3),
    "a stored product, and its sum with the bias": (
        "Sequential(Linear(2, 3), BatchNorm1d(3, eps=0))",
        (1, 2),
        "fold-batchnorm",
        NORM,
        2,
    ),
    "no bias": ("Sequential(Linear(2, 3, bias=False), BatchNorm1d(3, eps=0))", (1, 2), "fold-batchnorm", NORM, 1),
    "stored taps of a transposed kernel, and a bias": (
        "Sequential(ConvTranspose1d(2, 3, 4, stride=2), BatchNorm1d(3, eps=0))",
        (1, 2, 4),
        "fold-batchnorm",
        NORM,
        3,
    ),
    "no sum at all, and nothing behind it that multiplies": (
        "Sequential(Conv2d(2, 4, 1), PixelShuffle(2))",
        (1, 2, 3, 3),
        "shuffle-as-transposed",
        FIRST,
        1 / 8,
    ),
}


@pytest.mark.parametrize(("layer", "shape", "name", "numbers", "roundings"), BETWEEN.values(), ids=BETWEEN.keys())
def test_every_rounding_before_the_last_layer_is_multiplied_by_the_layer_behind_it(
    layer: str, shape: Shape, name: str, numbers: Mapping[str, float], roundings: float
) -> None:
    pair, sides = lost(layer, shape, name, numbers)
    assert torch.equal(sides.reference, torch.full(pair.reference.output_shape, 8.0 * roundings, dtype=torch.float64))


def test_what_merged_weights_lose_is_multiplied_by_the_inputs_and_a_merged_bias_adds_its_own() -> None:
    pair, sides = lost("Sequential(Conv1d(2, 3, 2), Conv1d(3, 1, 1))", (1, 2, 4), "merge-convs", CONV)
    assert torch.equal(sides.candidate, torch.full(pair.reference.output_shape, 2 * 2 * 5.0 + 1, dtype=torch.float64))


@pytest.mark.parametrize("name", ["patchify-linear", "windows-sum"])
def test_one_layer_and_copied_weights_lose_nothing_on_the_way(name: str) -> None:
    _, sides = lost("Conv1d(2, 3, 2, stride=2)", (1, 2, 4), name, {"weight": 2.0, "bias": 3.0})
    assert (float(sides.reference), float(sides.candidate)) == (0, 0)
