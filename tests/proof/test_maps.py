"""Weights that are joined, cut, scaled, added or multiplied get the evidence that weights as they are get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.errors import ConvcheckError
from tests.proof.test_own_candidate import Pair, verify, words

Run = Callable[..., Result]

SCALED = "Sequential(Conv2d(3, 4, 3), Conv2d(4, 4, 1, groups=4, bias=False))"

EQUAL = {
    "two convolutions are one": Pair(
        "Sequential(Conv2d(3, 4, 1), Conv2d(4, 5, 3))",
        "Conv2d(3, 5, 3)",
        [2, 3, 6, 7],
        {
            "weight": "einsum('o m kh kw, m i x y -> o i kh kw', 1.weight, 0.weight)",
            "bias": "einsum('o m kh kw, m -> o', 1.weight, 0.bias) + 1.bias",
        },
    ),
    "a bias of zeros": Pair("Conv2d(3, 4, 3, bias=False)", "Conv2d(3, 4, 3)", [2, 3, 6, 7], {"bias": "0"}),
    "a scale of ones": Pair(
        "Conv2d(3, 4, 3)", SCALED, [2, 3, 6, 7], {"0.weight": "weight", "0.bias": "bias", "1.weight": "1"}
    ),
    "factors that cancel": Pair(
        "Conv2d(3, 4, 3)",
        SCALED,
        [2, 3, 6, 7],
        {"0.weight": "weight * -4", "0.bias": "bias * -4", "1.weight": "1 * -0.25"},
    ),
    "a weight of two pieces": Pair(
        "Linear(6, 8)",
        "Linear(6, 8)",
        [2, 6],
        {"weight": "[weight: o i -> o i | slice o 0 3; weight: o i -> o i | slice o 3 8]", "bias": "bias"},
    ),
    "kernels of several sizes in one": Pair(
        "Sequential(Conv2d(3, 4, 1, bias=False), Conv2d(4, 2, 1, bias=False))",
        "Conv2d(3, 2, 3, padding=1, bias=False)",
        [1, 3, 5, 4],
        {
            "weight": "einsum('o m x y, m i x y -> o i x y', 1.weight, 0.weight): "
            "o i x y -> o i x y | pad x 1 1 | pad y 1 1"
        },
    ),
}
DIFFERENT = {
    "a forgotten bias of the first": (
        EQUAL["two convolutions are one"],
        {"weight": EQUAL["two convolutions are one"].map["weight"], "bias": "1.bias"},
    ),
    "a transposed product": (
        EQUAL["two convolutions are one"]._replace(
            reference="Sequential(Conv2d(4, 4, 1), Conv2d(4, 4, 3))", candidate="Conv2d(4, 4, 3)", input=[2, 4, 6, 7]
        ),
        {
            **EQUAL["two convolutions are one"].map,
            "weight": "einsum('o m kh kw, i m x y -> o i kh kw', 1.weight, 0.weight)",
        },
    ),
    "ones for zeros": (EQUAL["a bias of zeros"], {"bias": "1"}),
    "zeros for ones": (EQUAL["a scale of ones"], {**EQUAL["a scale of ones"].map, "1.weight": "0"}),
    "a factor that does not cancel": (
        EQUAL["factors that cancel"],
        {**EQUAL["factors that cancel"].map, "1.weight": "1 * 0.25"},
    ),
    "halves swapped": (
        EQUAL["a weight of two pieces"],
        {"weight": "[weight: o i -> o i | part o 2 2; weight: o i -> o i | part o 1 2]", "bias": "bias"},
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_equal(pair: Pair, dtype: str) -> None:
    result = verify(pair, dtype=dtype)
    assert (result.verdict, result.reasons) == ("equal", ())
    assert (result.evidence, result.exact.status, result.gradients.status) == ("exact", "identical", "identical")


@pytest.mark.parametrize(("pair", "wrong"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_wrong_map_is_different(pair: Pair, wrong: dict[str, str]) -> None:
    result = verify(pair._replace(map=wrong))
    assert (result.verdict, result.exact.status) == ("different", "different")


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_the_map_in_json_can_be_given_again(convcheck: Run, pair: Pair) -> None:
    (found,) = json.loads(convcheck("verify", *words(pair), "-f", "json").stdout)["results"]
    assert found["verdict"] == "equal"
    assert verify(pair._replace(map=found["map"])).map == found["map"]


def test_factors_that_float64_rounds_leave_no_exact_evidence_and_float64_stands_in() -> None:
    pair = EQUAL["factors that cancel"]
    tenths = {"0.weight": "weight * 10", "0.bias": "bias * 10", "1.weight": "1 * 0.1"}
    result = verify(pair._replace(map=tenths))
    assert (result.verdict, result.evidence, result.exact.status) == ("equal", "float64", "not-applicable")
    nearly = {**tenths, "1.weight": "1 * 0.1000001"}
    assert verify(pair._replace(map=nearly), dtype="bfloat16").verdict == "different"


def test_a_factor_too_many_is_named() -> None:
    pair = Pair("Conv2d(3, 4, 1)", "Conv2d(3, 4, 1)", [1, 3, 5, 5], {"bias": "bias * 2"})
    result = verify(pair)
    assert str(result.reasons[0]) == "bias was laid out as '* 2', and 'o -> o' matches exactly"
    assert verify(pair._replace(map=dict(result.suggestions))).verdict == "equal"


def test_a_parameter_of_the_reference_that_nothing_is_made_of_is_a_note() -> None:
    pair = Pair("Conv2d(3, 4, 2)", "Conv2d(3, 4, 2, bias=False)", [1, 3, 5, 5])
    result = verify(pair)
    assert result.verdict == "different"
    assert "nothing of the candidate is made of the reference's bias" in map(str, result.notes)


def test_a_parameter_that_gets_something_twice_is_named(convcheck: Run, tmp_path: Path) -> None:
    pair = EQUAL["a bias of zeros"]
    twice = convcheck("verify", *words(pair), "--map", "bias=1")
    assert (twice.exit_code, "--map 'bias=1' is a second one for this parameter" in twice.stderr) == (2, True)
    file = tmp_path / "config.yaml"
    lines = ["cases:", "  - reference: Conv2d(3, 4, 3, bias=False)", "    candidate: Conv2d(3, 4, 3)", "    map:"]
    file.write_text("\n".join([*lines, "      bias: 0", "      bias: 1"]))
    found = convcheck("verify", file)
    assert (found.exit_code, "bias" in found.stderr) == (2, True)
    file.write_text("\n".join([*lines, "      bias: 0", "      weight: [weight]"]))
    assert convcheck("verify", file).exit_code == 0


REFUSED = {
    "a name of nothing": ({"bias": "0", "weight": "[weight; wieght]"}, "the reference has no parameter 'wieght'"),
    "parts that are too few": ({"bias": "[0; 1; 0]"}, "for the constants 4 places are left"),
    "what cannot be read": ({"bias": "[0"}, "there must be ']'"),
}


@pytest.mark.parametrize(("wrong", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ConvcheckError) as error:
        verify(EQUAL["a bias of zeros"]._replace(map=wrong))
    assert message in str(error.value)
