"""convcheck from Python."""

import re
import shlex
import subprocess
import sys

import pytest

import convcheck
from convcheck.errors import ConvcheckError, LayerError, ShapeError


def test_verify_returns_a_result() -> None:
    result = convcheck.verify("Conv2d(3, 8, 2, stride=2)", (1, 3, 9, 9), "patchify-linear", order="kw i kh")
    assert result.verdict == "equal"
    assert result.output_shape.candidate == (1, 8, 4, 4)
    assert result.transplant["project.weight"] == "o i kh kw -> o (kw i kh)"


def test_several_rewrites_that_hold_must_be_told_apart() -> None:
    with pytest.raises(ConvcheckError, match=r"name one: .*patchify-conv1x1, patchify-linear"):
        convcheck.verify("Conv2d(3, 8, 2, stride=2)")


def test_a_mapping_is_a_layer() -> None:
    assert convcheck.params({"op": "Linear", "in_features": 3, "out_features": 4}) == 16


def test_assert_equal_passes_and_fails_with_the_reason() -> None:
    assert convcheck.assert_equal("Conv2d(3, 8, 2, stride=2)", rewrite="patchify-linear").ok
    with pytest.raises(AssertionError, match="is different: weight was laid out as"):
        convcheck.assert_equal(
            "Conv2d(3, 8, 2, stride=2)",
            rewrite="patchify-linear",
            transplant={"weight": "o i kh kw -> o (kh kw i)"},
        )


@pytest.mark.parametrize("lengths", [((1, 3, 9, 9),), ([1, 3, 9, 9],), (1, 3, 9, 9)])
def test_a_shape_is_given_whole_or_length_by_length(lengths: tuple[object, ...]) -> None:
    assert convcheck.shape("Conv2d(3, 8, 2, stride=2)", *lengths) == (1, 8, 4, 4)  # type: ignore[arg-type]


def test_what_cannot_be_raises_a_convcheck_error() -> None:
    with pytest.raises(LayerError):
        convcheck.shape("Conv2d(3)", 1, 3, 8, 8)
    with pytest.raises(ShapeError):
        convcheck.shape("Conv2d(3, 8, 2)", 1, 4, 8, 8)
    with pytest.raises(ConvcheckError, match="unknown rewrite"):
        convcheck.verify("Conv2d(3, 8, 2)", rewrite="none")
    with pytest.raises(ConvcheckError, match="order: 'kh kw' must name each axis"):
        convcheck.verify("Conv2d(3, 8, 2, stride=2)", rewrite="patchify-linear", order="kh kw")


def test_a_result_from_python_is_repeated_in_python() -> None:
    result = convcheck.verify(
        "Conv2d(3, 8, 2, stride=2)", rewrite="patchify-linear", transplant={"weight": "o i kh kw -> o (kh kw i)"}
    )
    python, flag, code = shlex.split(result.reproduce)
    assert (python, flag) == ("python", "-c")
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"max_abs={result.error.max_abs}" in printed
    assert "verdict: different" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float3"}, "'float3' is no dtype; there are: float64"),
        ({"device": "gpu"}, "'gpu' is no device"),
        ({"seed": -5}, "-5 is no seed"),
        ({"tolerance": {"atoll": 1}}, "unknown tolerance 'atoll'; did you mean 'atol'?"),
        ({"tolerance": {"atol": -1}}, "-1 is no tolerance"),
        ({"tolerance": {"atol": float("inf")}}, "inf is no tolerance"),
        ({"transplant": {"weight": 5}}, "5 is no einops pattern"),
    ],
)
def test_bad_options_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConvcheckError, match=re.escape(message)):
        convcheck.verify("Conv2d(3, 8, 2, stride=2)", rewrite="patchify-linear", **options)  # type: ignore[arg-type]
