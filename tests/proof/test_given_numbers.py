"""Weights and statistics that nobody would want: they are said, and bring nothing down."""

from __future__ import annotations

import itertools
import math

import pytest

from convcheck.config.checks import DType
from convcheck.proof.verification import verify
from convcheck.results import Result, Verdict
from convcheck.sides.sample import Sample
from tests.proof.test_numbers import claim, on

pytestmark = pytest.mark.kernels

FOLD = "Sequential(Conv2d(3, 8, 3, padding=1, bias=False), BatchNorm2d(8, eps={eps}))"


def with_variance(dtype: DType, value: float, eps: float = 1e-5) -> Result:
    """Verify a folded BatchNorm, one of whose variances is given."""
    drawn = claim(dtype, FOLD.format(eps=eps), "fold-batchnorm")

    def given(sample: Sample) -> Sample:
        variance = sample.parameters["1.running_var"].clone()
        variance[2] = value
        return Sample(sample.inputs, {**sample.parameters, "1.running_var": variance})

    return verify(on(drawn, given))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize("value", [-1.0, -1e-5, -1e30])
def test_a_negative_variance_is_placed_and_is_no_fault_of_the_platform(dtype: DType, value: float) -> None:
    result = with_variance(dtype, value if dtype != "float16" else max(value, -1e4))
    assert result.verdict is Verdict.DIFFERENT
    reason = result.reason or ""
    assert reason.startswith("1.running_var[2] is -")
    assert "with eps=1e-05 that is no variance" in reason
    assert "platform" not in reason


def test_a_variance_that_is_negative_by_rounding_has_a_root_with_its_eps() -> None:
    # Twice its magnitude is below eps, so the sum is no mere rest.
    assert with_variance("float32", -1e-6).verdict is Verdict.EQUAL


def test_a_variance_that_only_the_dtype_makes_zero_is_an_error() -> None:
    result = with_variance("float16", 1e-9, eps=0.0)
    assert result.verdict is Verdict.ERROR
    assert "underflow: rounded to float16, 1.running_var[2] is 0: with eps=0 that is no variance" in str(result.reason)


@pytest.mark.parametrize(("dtype", "value"), [("float32", -1e-9), ("float32", 0.0), ("float16", 1e-12)])
def test_a_variance_that_eps_makes_up_for_is_none_of_these(dtype: DType, value: float) -> None:
    assert with_variance(dtype, value).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        *[(eps, None) for eps in (0.0, 1e-320, 0.3, 10.0, 2.0**49 - 1)],
        (
            2.0**49 + 1,
            "could not be run: eps 5.6295e+14 is so large that float64 has no variance that makes 0.0625 with",
        ),
        (1e15, "could not be run: eps 1e+15 is so large that float64 has no variance that makes 0.0625 with it"),
        (1e17, "could not be run: eps 1e+17 is so large that float64 has no variance that makes 1 with it"),
        (1e300, "could not be run: eps 1e+300 is so large that float64 has no variance that makes 1 with it"),
    ],
)
def test_an_eps_with_which_no_variance_is_exact_is_an_error(eps: float, message: str | None) -> None:
    result = verify(claim("float32", FOLD.format(eps=eps), "fold-batchnorm"))
    assert result.verdict is (Verdict.EQUAL if message is None else Verdict.ERROR)
    assert (result.reason or "").startswith(message or "")


EXTREMES = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-45, -1e-5, 1e-300, 1e30, 1e300, -1e308)


SMALL = {
    "unfold-matmul": "Conv2d(2, 3, 2)",
    "fft": "Conv1d(2, 3, 4)",
    "winograd": "Conv1d(2, 3, 3)",
    "broadcast-sum": "Linear(4, 3)",
    "merge-convs": "Sequential(Conv1d(2, 3, 1), Conv1d(3, 2, 2))",
    "fold-batchnorm": "Sequential(Conv1d(2, 3, 1), BatchNorm1d(3))",
    "multihead-sum": "MultiheadAttention(4, 2)",
}


@pytest.mark.parametrize(("name", "layer"), SMALL.items())
def test_no_number_in_a_weight_brings_a_claim_down(name: str, layer: str) -> None:
    """Whatever comes of it is a verdict; what is raised would be a fault of convcheck's own."""
    dtypes: tuple[DType, ...] = ("float32", "float16", "float64", "float32", "bfloat16")
    for dtype, value in zip(itertools.cycle(dtypes), EXTREMES * 2, strict=False):

        def given(sample: Sample, value: float = value) -> Sample:
            changed = {key: tensor.double().clone() for key, tensor in sample.parameters.items()}
            for tensor in changed.values():
                tensor[(0,) * tensor.ndim] = value
            return Sample(sample.inputs, changed)

        verify(on(claim(dtype, layer, name), given))
