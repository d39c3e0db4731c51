"""The JSON that scripts rely on: names, types, and numbers that JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

pytestmark = pytest.mark.kernels

Run = Callable[..., Result]

VIT = "Conv2d(3, 768, kernel_size=16, stride=16)"

SIDES = {"reference", "candidate"}
RESULT = {
    "case", "source", "layer", "rewrite", "input", "dtype", "device", "seed", "verdict", "expected", "ok", "reason",
    "suggestion", "output_shape", "params", "macs", "exact", "one_to_one", "gradients", "sizes", "error", "referee",
    "transplant", "notes", "seconds", "reproduce", "reasons", "suggestions", "place", "figure", "reference",
    "candidate", "map", "evidence", "held_weights", "suggested_layout",
}  # fmt: skip


def parsed(result: Result) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(result.stdout, parse_constant=refuse)


def test_a_verified_layer(convcheck: Run) -> None:
    result = convcheck(
        "verify", VIT, "-i", "1,3,224,224", "-f", "json", "-r", "patchify-conv1x1", "-r", "patchify-linear"
    )
    report = parsed(result)
    assert result.exit_code == 0
    assert report.keys() == {"schema", "tool", "ok", "interrupted", "untried", "summary", "results"}
    assert report["schema"] == 1
    assert report["ok"] is True
    assert report["tool"].keys() == {"convcheck", "torch", "python", "device", "threads"}
    assert report["summary"] == {"total": 2, "equal": 2, "different": 0, "refused": 0, "error": 0, "unexpected": 0}
    for found in report["results"]:
        assert found.keys() == RESULT
        assert found["layer"] == "Conv2d(3, 768, kernel_size=(16, 16), stride=(16, 16))"
        assert (found["source"], found["reason"], found["suggestion"]) == (None, None, None)
        assert found["input"] == [[1, 3, 224, 224]]
        assert (found["dtype"], found["device"], found["seed"]) == ("float32", "cpu", 0)
        assert (found["verdict"], found["expected"], found["ok"]) == ("equal", "equal", True)
        assert found["output_shape"] == {side: [1, 768, 14, 14] for side in SIDES}
        assert found["params"] == dict.fromkeys(SIDES, 768 * 3 * 16 * 16 + 768)
        assert found["macs"] == dict.fromkeys(SIDES, 14 * 14 * 768 * 3 * 16 * 16)
        assert found["exact"]["status"] == "identical"
        assert found["exact"]["probes"] >= 1
        assert 0 < found["exact"]["false_accept"] < 1e-9
        assert found["one_to_one"] is True
        assert found["gradients"] == dict.fromkeys(("input", "weight", "bias"), "identical")
        error = found["error"]
        assert {"max_abs", "at", "max_rel", "bound", "ratio", "ulp", "worst"} <= error.keys()
        assert len(error["at"]) == 4
        assert 0 <= error["max_abs"] <= error["bound"]
        assert 0 <= error["ratio"] <= 1
        assert found["referee"].keys() == SIDES
        assert found["transplant"].keys() == {"project.weight", "project.bias"}
        assert found["reproduce"].startswith("convcheck verify ")
        assert found["notes"] == []
        assert found["seconds"] > 0


@pytest.mark.parametrize(
    ("layer", "verdict"),
    [
        ("Conv2d(3, 4, 2, stride=2, padding=1)", "refused"),
        ("Linear(2, 3)", "refused"),
        ("Conv2d(10000, 10000, 64, stride=64)", "error"),
    ],
    ids=["refused", "no rewrite", "too large"],
)
def test_a_claim_that_is_not_tried_has_every_field_too(convcheck: Run, layer: str, verdict: str) -> None:
    (found,) = parsed(convcheck("verify", layer, "-f", "json", *(["-r", "patchify-linear"])))["results"]
    assert found.keys() == RESULT
    assert (found["verdict"], found["ok"]) == (verdict, False)
    assert found["reason"]
    assert found["exact"] == {"status": "not-applicable", "probes": 0, "false_accept": None}
    assert found["gradients"] == dict.fromkeys(("input", "weight", "bias"), "not-applicable")
    assert found["error"]["max_abs"] is None


def test_a_different_claim_names_what_would_match(convcheck: Run, tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text(
        'cases:\n  - layer: "Conv2d(3, 4, 2, stride=2)"\n    rewrite: patchify-linear\n'
        '    transplant: {weight: "o i kh kw -> o (kw kh i)"}\n'
    )
    (found,) = parsed(convcheck("verify", config, "-f", "json"))["results"]
    assert found["source"] == f"{config}:2"
    assert found["verdict"] == "different"
    assert found["suggestion"] == "o i kh kw -> o (i kh kw)"
    assert found["suggestions"] == {"weight": "o i kh kw -> o (i kh kw)"}
    assert found["transplant"]["project.weight"] == "o i kh kw -> o (kw kh i)"
    assert found["exact"]["status"] == "different"
    assert found["error"]["ratio"] > 1


def test_counted_layers(convcheck: Run) -> None:
    report = parsed(convcheck("params", "ConvTranspose2d(8, 4, 2, stride=2)", "-r", "linear-unpatchify", "-f", "json"))
    (found,) = report["results"]
    assert {"case", "layer", "rewrite", "params", "weights", "one_to_one"} <= found.keys()
    assert found["params"] == {"reference": 8 * 4 * 4 + 4, "candidate": 8 * 4 * 4 + 16}
    assert found["weights"] == {
        "reference": {"weight": [8, 4, 2, 2], "bias": [4]},
        "candidate": {"project.weight": [16, 8], "project.bias": [16]},
    }
    assert found["one_to_one"] is False


def test_calculated_shapes(convcheck: Run) -> None:
    report = parsed(
        convcheck("shape", "Conv2d(3, 1152, 14, stride=14, padding='valid')", "-i", "1,3,384,384", "-f", "json")
    )
    assert report["input"] == [1, 3, 384, 384]
    assert report["output"] == [1, 1152, 27, 27]
    (layer,) = report["layers"]
    assert {"layer", "input", "output", "params", "macs", "dropped"} <= layer.keys()
    assert layer["dropped"] == [6, 6]
    assert layer["macs"] == 27 * 27 * 1152 * 3 * 14 * 14


@pytest.mark.parametrize(
    "words", [["rewrites"], ["rewrites", "patchify-linear"], ["rewrites", VIT], ["shape"], ["params"]]
)
def test_every_command_has_json(convcheck: Run, words: list[str]) -> None:
    result = convcheck(*words, "-f", "json")
    assert result.exit_code == 0
    assert parsed(result)["schema"] == 1
