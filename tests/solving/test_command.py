"""What `convcheck solve` prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

import convcheck
from convcheck.layers import parse_layer
from convcheck.modules.build import build

Run = Callable[..., Result]

SIDES = """
import torch
from torch import nn
from torch.nn import functional as F

class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(12, 4)

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1)
        return self.proj(x.reshape(b, h // 2, w // 2, 12)).permute(0, 3, 1, 2)

class TwoBiases(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return self.fc(x) + self.bias
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "sides.py"
    path.write_text(SIDES)
    return str(path)


def solved(convcheck: Run, *words: str) -> tuple[int, dict[str, Any]]:
    result = convcheck("solve", *words, "-f", "json")
    return result.exit_code, json.loads(result.stdout)


def test_a_map_is_found_and_its_code_runs(convcheck: Run, file: str) -> None:
    layer = "Conv2d(3, 4, 2, stride=2)"
    code, printed = solved(convcheck, layer, f"{file}:Patches()", "-i", "2,3,4,6", "--trust")
    assert (code, printed["status"], printed["unmatched"]) == (0, "found", {"reference": [], "candidate": []})
    assert printed["map"] == {
        "proj.weight": {"from": ["weight"], "pattern": "weight: o i kh kw -> o (kh kw i)"},
        "proj.bias": {"from": ["bias"], "pattern": "bias"},
    }
    assert (printed["result"]["verdict"], printed["result"]["evidence"]) == ("equal", "exact")
    assert "convcheck" not in printed["code"]
    names: dict[str, Any] = {}
    exec(printed["code"], names)
    exec(SIDES, names)
    reference, candidate = build(parse_layer(layer)), names["Patches"]()
    candidate.load_state_dict(names["convert"](reference.state_dict()))
    x = torch.randn(2, 3, 8, 6)
    torch.testing.assert_close(candidate(x), reference(x))


def test_a_map_that_is_not_the_only_one_is_no_success(convcheck: Run, file: str) -> None:
    code, printed = solved(convcheck, "Linear(3, 4)", f"{file}:TwoBiases()", "-i", "2,3", "--trust")
    assert (code, printed["status"], printed["result"]["verdict"]) == (1, "not-unique", "equal")
    assert printed["exchangeable"] == ["fc.bias is added to others, so that only the sum is determined"]
    assert set(printed["map"]) == {"fc.weight", "fc.bias", "bias"}


def test_what_has_no_partner_is_named(convcheck: Run) -> None:
    code, printed = solved(convcheck, "Linear(3, 4)", "Linear(3, 4, bias=False)", "-i", "2,3")
    assert (code, printed["status"], printed["map"], printed["code"], printed["result"]) == (1, "none", {}, None, None)
    assert printed["unmatched"]["reference"] == ["bias"]
    assert printed["reason"].startswith("everything but bias matches")


def test_a_table_has_the_map_and_what_it_is_worth(convcheck: Run) -> None:
    result = convcheck("solve", "ConvTranspose2d(2, 3, 3, padding=1)", "Conv2d(2, 3, 3, padding=1)", "-i", "1,2,4,5")
    assert result.exit_code == 0
    assert "weight: i o kh kw -> o i kh kw | flip kh | flip kw" in result.stdout
    assert "found, and proved: equal (exact)" in result.stdout


def test_a_map_that_no_source_says_names_what_prints_it() -> None:
    pair = "Sequential(Conv2d(3, 4, 1), BatchNorm2d(4))"
    result = convcheck.verify(pair, [2, 3, 5, 5], candidate="Conv2d(3, 4, 1)")
    assert (result.verdict, result.map or {}) == (
        "equal",
        dict.fromkeys(("weight", "bias"), "convert, which `convcheck solve ... -v` prints"),
    )


def test_other_shapes_are_no_map(convcheck: Run) -> None:
    code, printed = solved(convcheck, "Linear(3, 4)", "Linear(3, 5)", "-i", "2,3")
    assert (code, printed["status"]) == (1, "none")
    assert printed["reason"].startswith("the outputs are [2, 4] and [2, 5]")


def test_code_needs_trust(convcheck: Run, file: str) -> None:
    assert convcheck("solve", "Linear(3, 4)", f"{file}:TwoBiases()", "-i", "2,3").exit_code == 2


def test_verify_solves_where_no_map_is_given() -> None:
    result = convcheck.verify("ConvTranspose1d(2, 4, 3)", [1, 2, 7], candidate="Conv1d(2, 4, 3, padding=2)")
    assert (result.verdict, result.exact.status) == ("equal", "identical")
    assert "map: solved" in map(str, result.notes)
    assert result.map == {"weight": "weight: i o kl -> o i kl | flip kl", "bias": "bias"}


def test_a_map_that_was_found_is_shown(convcheck: Run) -> None:
    one = ("ConvTranspose1d(2, 4, 3)", "--candidate", "Conv1d(2, 4, 3, padding=2)", "-i", "1,2,7")
    line = "    map: weight = weight: i o kl -> o i kl | flip kl; bias = bias"
    assert line in convcheck("verify", *one).stdout.splitlines()
    assert "map:" not in convcheck("verify", *one, "--map", "weight=weight: i o kl -> o i kl | flip kl").stdout
    two = "Linear(3, 4), Linear(4, 5)"
    many = ("verify", f"Sequential({two})", "--candidate", f"Sequential(rearrange('b c -> b c'), {two})", "-i", "2,3")
    line = "    map: 1.weight = 0.weight; 1.bias = 0.bias; 2.weight = 1.weight; and 1 more; -v shows all"
    assert line in convcheck(*many).stdout.splitlines()
    assert "    map         2.bias = 1.bias" in convcheck(*many, "-v").stdout.splitlines()


def test_verify_refuses_where_there_is_no_map() -> None:
    result = convcheck.verify("Linear(3, 4)", [2, 3], candidate="Sequential(Linear(3, 4, bias=False))")
    assert (result.verdict, result.ok) == ("refused", False)
    assert str(result.reason).startswith("no map is given, and none is found: everything but bias matches")
