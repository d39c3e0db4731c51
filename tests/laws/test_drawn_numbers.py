"""The numbers that correct cases are run on: scaled, without signs, constant, or with one term that outweighs."""

from __future__ import annotations

from random import Random

import pytest
import torch

from benchmarks.correct_cases import Trial
from benchmarks.drawn_numbers import OUTWEIGHING, Kind, Numbers, channel_axis, kinds_for, numbers_for
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import floating_point
from convcheck.sides.sample import Sample


def changed(kind: Kind, *powers: float, above: float = 0.0) -> tuple[Sample, Sample]:
    """Return the numbers of a small convolution before and after they are changed."""
    layer = parse_layer("Conv2d(3, 4, 2)")
    case = Case("case", layer, ((2, 3, 4, 4),), ("unfold-matmul",))
    trial = Trial("unfold-matmul", case, Numbers(kind, powers, above), threads=1)
    point = floating_point.draw(build_pair(trial.claim()), trial.case)
    return point, trial.changed(point)


def test_scales_are_those_of_input_weight_and_bias_in_turn() -> None:
    before, after = changed(Kind.NORMAL, 1.0, -2.0, 3.0)
    torch.testing.assert_close(after.inputs[0], before.inputs[0] * 10)
    torch.testing.assert_close(after.parameters["weight"], before.parameters["weight"] / 100)
    torch.testing.assert_close(after.parameters["bias"], before.parameters["bias"] * 1000)


def test_unsigned_numbers_have_no_signs() -> None:
    before, after = changed(Kind.UNSIGNED, 0.0, 0.0, 0.0)
    assert torch.equal(after.inputs[0], before.inputs[0].abs())
    for name, each in before.parameters.items():
        assert bool((each < 0).any())
        assert torch.equal(after.parameters[name], each.abs())


def test_a_bias_outweighs_the_weight_by_what_is_asked_for() -> None:
    before, after = changed(Kind.BIAS, 0.0, 0.0, 0.0, above=6.0)
    torch.testing.assert_close(after.parameters["bias"], before.parameters["bias"].abs() * 1e3)
    torch.testing.assert_close(after.parameters["weight"], before.parameters["weight"].abs() / 1e3)


def test_the_first_channel_outweighs_the_others_by_what_is_asked_for() -> None:
    before, after = changed(Kind.CHANNEL, 0.0, 0.0, 0.0, above=4.0)
    torch.testing.assert_close(after.inputs[0][:, 0], before.inputs[0][:, 0].abs() * 1e2)
    torch.testing.assert_close(after.inputs[0][:, 1:], before.inputs[0][:, 1:].abs() / 1e2)


def test_constant_numbers_are_ones_and_any_one_number_for_each_parameter() -> None:
    before, after = changed(Kind.BOTH, 0.0, 0.0, 0.0)
    assert bool((after.inputs[0] == 1).all())
    weight = after.parameters["weight"]
    assert bool((weight == before.parameters["weight"][0, 0, 0, 0]).all())
    assert float(weight[0, 0, 0, 0]) not in (0.0, 1.0)


NO_PARAMETERS = {Kind.BIAS, Kind.WEIGHTS, Kind.BOTH}
KINDS = {
    "all, of a layer with a bias": ("Conv2d(3, 4, 2)", (1, 3, 4, 4), -3, set()),
    "no bias that outweighs, without one": ("Linear(3, 4, bias=False)", (1, 3), -1, {Kind.BIAS}),
    "no channel that outweighs itself": ("Conv2d(1, 4, 2)", (1, 1, 4, 4), -3, {Kind.CHANNEL}),
    "no weights that are constant, without any": (
        "PixelShuffle(2)",
        (1, 4, 2, 2),
        -1,
        NO_PARAMETERS,
    ),
}


@pytest.mark.parametrize(("text", "shape", "axis", "missing"), KINDS.values(), ids=KINDS.keys())
def test_a_layer_is_run_on_the_kinds_of_numbers_it_can_have(
    text: str, shape: tuple[int, ...], axis: int, missing: set[Kind]
) -> None:
    layer = parse_layer(text)
    assert channel_axis(layer) == axis
    assert set(kinds_for(layer, (shape,))) == set(Kind) - {Kind.NORMAL} - missing


def test_what_outweighs_does_so_by_what_was_drawn() -> None:
    random = Random(0)
    layer = parse_layer("Conv2d(3, 4, 2)")
    found = [numbers_for(random, layer, ((1, 3, 4, 4),), "float16") for _ in range(500)]
    for kind, (low, high) in OUTWEIGHING.items():
        above = [each.above for each in found if each.kind is kind]
        assert low <= min(above) < max(above) <= high
    assert {each.above for each in found if each.kind not in OUTWEIGHING} == {0.0}
    assert 0.7 < sum(each.kind is Kind.NORMAL for each in found) / 500 < 0.9
