"""What `verify -f json` prints is what `schema --results` says of it, for rewrites and for the user's own code."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import Result

from tests.user_code.modules import odd, pairs

Run = Callable[..., Result]

CONV = "Conv2d(3, 4, 2, stride=2)"
PRODUCT = f"{pairs.__file__}:Product()"

RUNS = {
    "every rewrite": [CONV, "-i", "1,3,4,4"],
    "a rewrite that is refused": ["Conv2d(3, 4, 2, padding=1)", "-r", "patchify-linear"],
    "layers as text": [CONV, "--candidate", CONV, "-i", "1,3,4,4", "--map", "weight=weight: o i a b -> o i b a"],
    "code that is equal": [PRODUCT, "--candidate", "Linear(3, 4)", "-i", "2,3", "--trust"],
    "code that is different": [PRODUCT, "--candidate", "Linear(3, 4, bias=False)", "-i", "2,3", "--trust"],
    "code that raises": [PRODUCT, "--candidate", f"{odd.__file__}:RaisesInTrouble()", "-i", "2,3", "--trust"],
    "a black box": [PRODUCT, "--candidate", f"{pairs.__file__}:ProductInNumpy()", "-i", "2,3", "--trust"],
    "its own weights": [PRODUCT, "--candidate", f"{pairs.__file__}:Frozen", "-i", "2,3", "--own-weights", "--trust"],
}


def validator(convcheck: Run) -> Draft202012Validator:
    schema = json.loads(convcheck("schema", "--results").stdout)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
def test_results_are_as_the_schema_says(convcheck: Run, words: list[str]) -> None:
    report = json.loads(convcheck("verify", *words, "-f", "json").stdout)
    known = validator(convcheck)
    known.validate(report)
    for result in report["results"]:
        assert result.keys() == known.schema["$defs"]["Result"]["properties"].keys()
        assert (result["candidate"] is None) is (result["reference"] is None) is (result["rewrite"] is not None)
    if "code" in str(words):
        assert {result["evidence"] for result in report["results"]} <= {"exact", "float64", "black-box", None}


def test_own_sides_have_their_fields(convcheck: Run) -> None:
    words = [PRODUCT, "--candidate", "Linear(3, 4)", "-i", "2,3", "--map", "weight=weight: o i -> o i", "--trust"]
    (result,) = json.loads(convcheck("verify", *words, "-f", "json").stdout)["results"]
    fields = ("rewrite", "reference", "candidate", "map", "evidence")
    assert {name: result[name] for name in fields} == {
        "rewrite": None,
        "reference": PRODUCT,
        "candidate": "Linear(in_features=3, out_features=4, bias=True)",
        "map": {"weight": "weight: o i -> o i", "bias": "bias"},
        "evidence": "exact",
    }


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a field is missing": lambda report: report["results"][0].pop("evidence"),
    "another verdict": lambda report: report["results"][0].update(verdict="same"),
    "a number as a text": lambda report: report["results"][0]["error"].update(max_abs="0"),
    "a reason that is no text": lambda report: report["results"][0].update(reasons=[{"text": "no"}]),
    "no summary": lambda report: report.pop("summary"),
}


@pytest.mark.parametrize("change", FAULTS.values(), ids=FAULTS)
def test_other_results_are_not(convcheck: Run, change: Callable[[dict[str, Any]], object]) -> None:
    report = json.loads(convcheck("verify", "Linear(2, 3)", "-r", "linear-as-conv1x1", "-f", "json").stdout)
    known = validator(convcheck)
    assert known.is_valid(report)
    changed = copy.deepcopy(report)
    change(changed)
    assert not known.is_valid(changed)
