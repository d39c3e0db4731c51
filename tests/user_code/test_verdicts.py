"""A pair of the user's own code is proved from end to end: in Python, and in a terminal."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from typer.testing import Result

import convcheck
from tests.user_code.modules import pairs as own
from tests.user_code.modules import place_of

Run = Callable[..., Result]

FILE = own.__file__
PATCHES = {"proj.weight": "proj.weight: o i kh kw -> o (i kh kw)"}
TOKENS = [2, 5, 3]


class Case(NamedTuple):
    """Two sides, what is asked of them, and what has to be answered."""

    reference: type[nn.Module]
    candidate: type[nn.Module]
    input: list[int]
    verdict: str
    evidence: str
    options: dict[str, Any] = {}  # noqa: RUF012  # nothing changes it

    def prove(self, **more: Any) -> convcheck.Result:
        return convcheck.verify(self.reference(), self.input, candidate=self.candidate(), **{**self.options, **more})


CASES = {
    "patches": Case(own.Patches, own.PatchesLinear, [2, 3, 4, 6], "equal", "exact", {"map": PATCHES}),
    "columns first": Case(own.Patches, own.PatchesColumnsFirst, [2, 3, 4, 6], "different", "exact", {"map": PATCHES}),
    "one pixel": Case(own.Patches, own.PatchesShifted, [2, 3, 4, 6], "different", "exact", {"map": PATCHES}),
    "gelu": Case(own.Mlp, own.MlpByHand, TOKENS, "equal", "exact"),
    "another gelu": Case(own.Mlp, own.MlpTanh, TOKENS, "different", "float64"),
    "attention": Case(own.Attention, own.AttentionByHand, [2, 5, 4], "equal", "exact"),
    "no scale": Case(own.Attention, own.AttentionUnscaled, [2, 5, 4], "different", "float64"),
    "numpy": Case(own.Product, own.ProductInNumpy, TOKENS, "equal", "black-box"),
    "no bias": Case(own.Product, own.ProductInNumpyWithoutBias, TOKENS, "different", "black-box"),
    "a Function": Case(own.Doubled, own.DoubledByFunction, TOKENS, "equal", "exact"),
    "in training": Case(own.Doubled, own.DoubledInTraining, TOKENS, "equal", "exact", {"train": True}),
    "in eval mode": Case(own.Doubled, own.DoubledInTraining, TOKENS, "different", "exact"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_pair_gets_its_verdict_by_the_evidence_that_there_is(case: Case) -> None:
    result = case.prove()
    assert (result.verdict, result.evidence, result.rewrite) == (case.verdict, case.evidence, None)
    assert (result.exact.status != "not-applicable") is (case.evidence == "exact")
    assert bool(result.reasons) is (case.verdict != "equal")
    estimated = any("within an estimate, as for any black box, stands in" in str(note) for note in result.notes)
    assert estimated is (case.evidence == "black-box")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", ["patches", "columns first", "gelu", "another gelu"])
def test_the_verdict_is_that_of_every_dtype(name: str, dtype: torch.dtype) -> None:
    result = CASES[name].prove(dtype=dtype)
    assert (result.verdict, result.evidence) == (CASES[name].verdict, CASES[name].evidence)
    assert result.error.max_abs is not None


def words(case: Case) -> list[str]:
    reference, candidate = (f"{FILE}:{side.__name__}()" for side in (case.reference, case.candidate))
    maps = [word for name, source in case.options.get("map", {}).items() for word in ("--map", f"{name}={source}")]
    train = ["--train"] if case.options.get("train") else []
    sizes = ",".join(map(str, case.input))
    return ["verify", reference, "--candidate", candidate, "-i", sizes, *maps, *train, "--trust", "-f", "json"]


@pytest.mark.parametrize("name", ["columns first", "gelu", "no bias", "in training"])
def test_a_terminal_says_the_same_and_what_repeats_it_does(convcheck: Run, name: str) -> None:
    case = CASES[name]
    printed = convcheck(*words(case))
    (row,) = json.loads(printed.stdout)["results"]
    assert (row["verdict"], row["evidence"], row["rewrite"]) == (case.verdict, case.evidence, None)
    assert row["candidate"].endswith(f":{case.candidate.__name__}()")
    program, *again = shlex.split(row["reproduce"])
    assert program == "convcheck"
    repeated = convcheck(*again, "-f", "json")
    assert repeated.exit_code == printed.exit_code == (case.verdict != "equal")
    (other,) = json.loads(repeated.stdout)["results"]
    assert {**other, "seconds": 0} == {**row, "seconds": 0}


def test_own_weights_are_repeated_as_well(convcheck: Run) -> None:
    one = f"{FILE}:Product()"
    first = convcheck("verify", one, "--candidate", f"{FILE}:Frozen", "-i", "2,3", "--own-weights", "--trust")
    assert first.exit_code == 1
    assert "entries differ" in first.stdout
    (again,) = [line.partition("again: ")[2] for line in first.stdout.splitlines() if "again: " in line]
    assert "--own-weights" in again
    assert "entries differ" in convcheck(*shlex.split(again)[1:]).stdout


def test_what_is_an_object_of_a_program_is_repeated_by_a_call_of_it() -> None:
    def convert(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: -tensor for name, tensor in state.items()}

    by_map = CASES["columns first"].prove(seed=3)
    assert by_map.reproduce == (
        "convcheck.verify(Patches(...), [2, 3, 4, 6], candidate=PatchesColumnsFirst(...), dtype='float32', "
        f"device='cpu', seed=3, map={PATCHES})"
    )
    linear = "Linear(in_features=3, out_features=4, bias=True)"
    by_function = convcheck.verify(linear, [2, 3], candidate=linear, map_by=convert)
    assert by_function.reproduce.startswith(f"convcheck.verify({linear!r}, [2, 3], candidate={linear!r}, map_by=")
    by_code = convcheck.verify(f"{FILE}:Product()", ["2,3"], candidate=own.Product(), trust=True)
    assert by_code.reproduce.startswith(f"convcheck.verify('{FILE}:Product()', [2, 3], candidate=Product(...), ")
    assert "trust=True" in by_code.reproduce


def test_a_module_of_torch_beside_an_object_is_the_object_too() -> None:
    conv = nn.Conv2d(3, 4, 2)
    for reference, candidate, more in (
        (conv, nn.Conv2d(3, 4, 2), {}),
        (conv, f"{FILE}:conv()", {"weights": "own", "trust": True}),
    ):
        call = convcheck.verify(reference, [1, 3, 4, 4], candidate=candidate, **more).reproduce
        assert call.startswith("convcheck.verify(Conv2d(3, 4, kernel_size=(2, 2), stride=(1, 1)), [1, 3, 4, 4], ")
        assert ("weights='own'" in call) is bool(more)


def test_a_failed_assertion_reads_in_ten_lines() -> None:
    with pytest.raises(AssertionError) as failed:
        convcheck.assert_equal(own.Patches(), [2, 3, 4, 6], candidate=own.PatchesColumnsFirst(), map=PATCHES)
    lines = str(failed.value).splitlines()
    assert len(lines) <= 10
    assert lines[0].startswith("patches is different: proj.weight was laid out as")
    # What is pasted is an argument of the call.
    pasted = ast.literal_eval(lines[1].removeprefix("paste: map="))
    assert pasted == {"proj.weight": "proj.weight: o i kh kw -> o (i kw kh)"}
    convcheck.assert_equal(own.Patches(), [2, 3, 4, 6], candidate=own.PatchesColumnsFirst(), map=pasted)
    assert lines[-1].startswith("again: convcheck.verify(Patches(...), [2, 3, 4, 6], candidate=")


def test_a_gradient_that_is_not_that_of_the_output_is_different() -> None:
    wrong = convcheck.verify(own.Doubled(), TOKENS, candidate=own.DoubledByWrongFunction())
    assert (wrong.verdict, wrong.exact.status, wrong.gradients.status) == ("different", "identical", "different")
    assert f"the candidate uses _WrongScale, an autograd Function of its own at {place('the wrong scale')}" in map(
        str, wrong.notes
    )
    assert "the candidate has gradients that are not those of what it computes" in map(str, wrong.notes)
    cut = convcheck.verify(own.Product(), TOKENS, candidate=own.ProductDetached())
    assert (cut.verdict, cut.exact.status, cut.gradients.weight) == ("different", "identical", "different")
    assert f"the candidate computes without a gradient (detach or no_grad) at {place('the detach')}" in map(
        str, cut.notes
    )


def place(mark: str) -> str:
    return place_of(FILE, mark)


LOCATED = {
    "a slice": (own.Product, own.LastOnly, TOKENS, "select", "the last only"),
    "an activation": (own.Mlp, own.MlpTanh, TOKENS, "gelu", "the tanh"),
    "a shift between products": (own.Tied, own.ShiftedInBetween, [2, 5, 3], "cumsum", "the sum"),
}


@pytest.mark.parametrize(("reference", "candidate", "shape", "operator", "mark"), LOCATED.values(), ids=LOCATED)
def test_a_difference_is_located(
    reference: type[nn.Module],
    candidate: type[nn.Module],
    shape: list[int],
    operator: str,
    mark: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    result = convcheck.verify(reference(), shape, candidate=candidate())
    first_one = "the candidate's first value that the reference never computes, in any order of axes"
    first = f"{operator} at {place(mark)} is {first_one}"
    assert first in map(str, result.reasons)
