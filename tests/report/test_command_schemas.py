"""What every command prints as JSON is what `schema --results COMMAND` says of it, field by field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator
from safetensors.torch import save_file
from typer.testing import Result

from convcheck.cli.main import COMMANDS
from convcheck.report.results_schema import DOCUMENTS, results_schema

Run = Callable[..., Result]

CONV = "Conv2d(3, 4, 2, stride=2)"
CHAIN = ["Conv2d(3, 4, 3, stride=2)", "Flatten()", "Linear(36, 2)"]

RUNS = {
    "verify": ["verify", CONV, "-i", "1,3,4,4", "-r", "patchify-linear", "-r", "pointwise-linear"],
    "solve": ["solve", CONV, 'Sequential(rearrange("b i (h p) (w q) -> b h w (i p q)", p=2, q=2), Linear(12, 4))',
              "-i", "1,3,4,4", "--layout", "b h w o -> b o h w"],
    "solve what is not the same": ["solve", CONV, "Conv2d(3, 4, 2, stride=2, bias=False)", "-i", "1,3,4,4"],
    "scan": ["scan", "tests.models.nets:Net()", "-i", "1,3,8,8", "--trust", "--only", "patches"],
    "scan and apply": ["scan", "tests.models.nets:Pair('straight on')", "-i", "1,3,2,2", "-r", "fold-batchnorm",
                       "--apply", "net.safetensors", "--trust"],
    "transplant": ["transplant", "a.safetensors", "b.safetensors", "--layer", CONV, "-r", "patchify-linear",
                   "--at", "proj", "--dtype", "bf16"],
    "bench": ["bench", CONV, "-i", "1,3,4,4", "-r", "patchify-linear", "-r", "pointwise-linear"],
    "params": ["params", CONV],
    "params of several": ["params", CONV, "ReLU()"],
    "shape": ["shape", CONV, "-i", "1,3,4,4", "--explain"],
    "shape of a chain": ["shape", *CHAIN, "-i", "1,3,8,8"],
    "shape with names": ["shape", CONV, "-i", "b,3,H,8"],
    "shape: inputs": ["shape", *CHAIN, "--output", "1,2"],
    "shape: no inputs": ["shape", "ConvTranspose2d(8, 4, 4, stride=2, padding=1)", "--output", "1,4,5,8"],
    "shape: changes": ["shape", CONV, "-i", "1,3,9,9", "--output", "1,4,9,9"],
    "shape: changes of a transposed layer": ["shape", "ConvTranspose2d(8, 4, 3, stride=2)", "-i", "1,8,7,7", "--output",
                                             "1,4,14,14"],
    "shape: same": ["shape", CONV, "-i", "1,3,9,9", "--same"],
    "shape: same for every length": ["shape", CONV, "--same"],
    "shape: sizes": ["shape", "ConvTranspose2d(8, 4, 3, stride=2)", "-i", "1,8,7,7", "--sizes"],
    "rewrites": ["rewrites"],
    "rewrites of a layer": ["rewrites", CONV, "--all"],
    "rewrites as code": ["rewrites", "patchify-linear", CONV],
    "rewrites refused": ["rewrites", "pointwise-linear", CONV],
}  # fmt: skip


def exact(schema: Any) -> Any:
    """Return a schema that takes no field which it does not name."""
    if isinstance(schema, list):
        return [exact(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: exact(value) for name, value in schema.items()}
    return {**made, "additionalProperties": False} if "properties" in schema and "required" in schema else made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_file({"proj.weight": torch.ones(4, 3, 2, 2), "proj.bias": torch.ones(4)}, tmp_path / "a.safetensors")


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS)
@pytest.mark.usefixtures("folder")
def test_json_has_the_fields_of_the_schema_and_no_others(convcheck: Run, words: list[str]) -> None:
    printed = json.loads(convcheck(*words, "-f", "json").stdout)
    known = Draft202012Validator(exact(results_schema(words[0])))
    assert [f"{error.json_path}: {error.message[:200]}" for error in known.iter_errors(printed)] == []


def test_all_commands_that_print_json_have_a_schema_and_a_run() -> None:
    assert DOCUMENTS.keys() == {words[0] for words in RUNS.values()}
    assert set(COMMANDS) - DOCUMENTS.keys() <= {"schema", "init"}


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_schema_is_one_and_is_printed(convcheck: Run, command: str) -> None:
    printed = json.loads(convcheck("schema", "--results", command).stdout)
    Draft202012Validator.check_schema(printed)
    assert printed == results_schema(command)
    forms = printed.get("anyOf", [printed])
    assert all(form["properties"]["schema"] == {"const": 1} for form in forms)
    assert not Draft202012Validator(printed).is_valid({"schema": 2})


REFUSED = {
    ("--results", "scam"): "'scam' prints no results; did you mean 'scan'?",
    ("scan",): "'scan' goes with --results, as in: convcheck schema --results verify",
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items(), ids=map(str, REFUSED))
def test_another_word_is_refused(convcheck: Run, words: tuple[str, ...], message: str) -> None:
    printed = convcheck("schema", *words)
    assert (printed.exit_code, printed.stderr) == (2, f"error: {message}\n")
