"""convcheck from Python."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

import convcheck
from convcheck.errors import ConvcheckError, LayerError, ShapeError
from convcheck.results import Verdict
from tests.report.sample_reports import MIXED
from tests.report.sample_reports import result as made

CONV = "Conv2d(3, 8, 2, stride=2)"


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
    assert printed == f"{result}\n"


def test_a_result_is_printed_as_its_row_with_the_reasons_below() -> None:
    one = MIXED.results[0]
    row = f"equal: {one.title}, max abs error 1e-06 / bound 4e-06, exact identical, gradients identical, weak"
    assert str(one) == row
    wrong = made("x", Verdict.DIFFERENT, ok=False)
    assert str(wrong).splitlines() == [
        "different: x[patchify-linear], max abs error 1e-06 / bound 4e-06, exact different, gradients different, weak",
        *(f"    {reason}" for reason in wrong.reasons),
        f"    again: {wrong.reproduce}",
    ]
    refused = str(made("x", Verdict.REFUSED)).splitlines()
    assert refused == ["refused: x[fft], as expected", "    cannot be: x", "    and 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float3"}, "'float3' is no dtype; there are: float64"),
        ({"device": "gpu"}, "'gpu' is no device"),
        ({"seed": -5}, "-5 is no seed"),
        ({"tolerance": {"atoll": 1}}, "unknown tolerance 'atoll'; did you mean 'atol'?"),
        ({"tolerance": {"atol": -1}}, "-1 is no tolerance"),
        ({"tolerance": {"atol": float("inf")}}, "inf is no tolerance"),
        ({"tolerance": 1e-3}, "tolerance: 0.001 is no mapping of names; write one, such as {'atol': 1e-6, 'rtol': 0}"),
        ({"tolerance": (1, 1)}, "tolerance: (1, 1) is no mapping of names"),
        ({"tolerance": "none"}, "tolerance: 'none' is no mapping of names"),
        ({"transplant": {"weight": 5}}, "5 is no einops pattern"),
        (
            {"transplant": "o i -> o i"},
            "transplant: 'o i -> o i' is no mapping of names; write one, such as {'weight':",
        ),
        ({"transplant": 5}, "transplant: 5 is no mapping of names"),
        ({"transplant": {5: "o -> o"}}, "transplant: {5: 'o -> o'} is no mapping of names"),
        ({"weights": "x.safetensors"}, "weights: 'x.safetensors' is no mapping of names; write one, such as {'file':"),
        ({"weights": 5}, "weights: 5 is no mapping of names"),
        ({"weights": {5: "w"}}, "weights: {5: 'w'} is no mapping of names"),
        (
            {"rewrite": ["patchify-linear"]},
            "rewrite: ['patchify-linear'] is no name; write one, such as 'patchify-linear'",
        ),
        ({"rewrite": None}, "rewrite: None is no name"),
        ({"rewrite": 5}, "rewrite: 5 is no name"),
        ({"map": {"weight": "weight"}}, "map, map_by and layout are about a candidate, and there is none"),
        ({"map": "weight", "candidate": CONV}, "map: 'weight' is no mapping of names; write one, such as {'weight':"),
        ({"map": {5: "weight"}, "candidate": CONV}, "map: {5: 'weight'} is no mapping of names"),
        ({"map": {"weight": 5}, "candidate": CONV}, "5 is no text; write 'weight: o i kh kw"),
        ({"candidate": 5}, "5 is not a layer; write it as torch prints it"),
        ({"candidate": CONV, "layout": 5}, "5 is no einops pattern"),
    ],
)
def test_bad_options_are_told(options: dict[str, object], message: str) -> None:
    if "candidate" not in options:
        options = {"rewrite": "patchify-linear", **options}
    with pytest.raises(convcheck.ConvcheckError, match=re.escape(message)):
        convcheck.verify(CONV, **options)  # type: ignore[arg-type]


def test_an_automatic_tolerance_is_the_derived_bound() -> None:
    derived, automatic = (
        replace(convcheck.verify(CONV, rewrite="patchify-linear", tolerance=given), seconds=0.0)  # type: ignore[arg-type]
        for given in (None, "auto")
    )
    assert derived == automatic


@pytest.mark.parametrize(
    ("module", "path", "message"),
    [
        (nn.Linear(2, 2), "/none/x", "'/none/x' cannot be written: No such file or directory"),
        (nn.Linear(2, 2), "x\0", "cannot be written: embedded null byte"),
        (nn.Linear(2, 2), 5, "5 is no path; it must be a text, such as 'module.safetensors'"),
        (None, "x", "None is no module of torch, and has no weights"),
    ],
)
def test_weights_that_cannot_be_saved_are_told(module: nn.Module, path: str, message: str) -> None:
    with pytest.raises(ConvcheckError, match=re.escape(message)):
        convcheck.save_weights(module, path)


def test_what_repeats_a_proof_of_objects_is_the_call_that_made_it() -> None:
    layer, other = nn.Sequential(nn.Conv2d(3, 8, 1)), nn.Conv2d(3, 8, 1)
    result = convcheck.verify(
        layer, (2, 3, 4, 5), candidate=other, map={"weight": "0.weight", "bias": "0.bias"}, seed=3
    )
    shown = "Sequential(Conv2d(3, 8, kernel_size=(1, 1), stride=(1, 1)))"
    assert result.reproduce.startswith(f"convcheck.verify({shown}, [2, 3, 4, 5], candidate=Conv2d(3, 8, ")
    assert result.reproduce.endswith("seed=3, map={'weight': '0.weight', 'bias': '0.bias'})")


def test_a_failure_reads_in_a_few_lines_and_ends_with_the_call() -> None:
    with pytest.raises(AssertionError) as failed:
        convcheck.assert_equal(nn.Conv2d(3, 8, 1), (2, 3, 4, 5), candidate=nn.Conv2d(3, 8, 1, bias=False))
    first, *_, last = str(failed.value).splitlines()
    assert first.endswith(" is different: the candidate leaves out bias")
    assert last.startswith("again: convcheck.verify(")
    assert len(str(failed.value).splitlines()) <= 5


def test_solve_returns_the_mapping_its_code_and_its_proof() -> None:
    reference, candidate = nn.ConvTranspose2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 3, padding=1)
    solution = convcheck.solve(reference, candidate, (1, 2, 4, 5))
    assert solution.status == "found"
    assert {name: str(source) for name, source in solution.map.items()} == {
        "weight": "weight: i o kh kw -> o i kh kw | flip kh | flip kw",
        "bias": "bias",
    }
    assert solution.result is not None
    assert solution.result.ok
    made: dict[str, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]] = {}
    exec(str(solution.code), made)
    candidate.load_state_dict(made["convert"](reference.state_dict()))
    x = torch.randint(-4, 5, (1, 2, 4, 5)).float()
    torch.testing.assert_close(candidate(x), reference(x))


def test_solve_says_what_has_no_partner() -> None:
    solution = convcheck.solve("Conv2d(2, 3, 3)", nn.Conv2d(2, 3, 3, bias=False), (1, 2, 4, 5))
    assert solution.status == "none"
    assert solution.reason == "everything but bias matches; the candidate has nothing for bias"
