"""Nothing of the user's is imported unless whoever started the program says so, whichever way it is named."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner, Result

import convcheck as package
from convcheck.catalogue.catalogue import vocabulary
from convcheck.cli.main import app
from convcheck.config.case import Case
from convcheck.config.load import load
from convcheck.errors import ConfigError, ConvcheckError
from convcheck.layers import Layer, parse_layer
from convcheck.layers.user_code import UserCode

Run = Callable[..., Result]

TOP = Path(__file__).parents[2]
CODE = """
from pathlib import Path
from torch import nn

Path("imported").touch()
print("printed by the user's own code")

def conv(size=2):
    return nn.Conv2d(3, 4, size, stride=size)
"""
CONV = "Conv2d(3, 4, 2, stride=2)"
CONFIG = """
cases:
  - name: code
    reference: model.py:conv(2)
    candidate: "model:conv()"
    input: [1, 3, 8, 8]
"""


@pytest.fixture(autouse=True)
def _code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text(CODE)
    Path("convcheck-code.yaml").write_text(CONFIG)
    Path("folder").mkdir()
    Path("folder/c.yaml").write_text(CONFIG)


def was_imported() -> bool:
    return Path("imported").exists()


I = ["-i", "1,3,8,8"]  # noqa: E741
UNTRUSTED = {
    "a target": ["verify", "model.py:conv", "--candidate", CONV, *I],
    "a dotted target": ["verify", "model:conv(2)", "--candidate", CONV, *I],
    "a candidate": ["verify", CONV, "--candidate", "model.py:conv()", *I],
    "a config": ["verify", "convcheck-code.yaml"],
    "a folder": ["verify", "folder"],
    "a list of names": ["verify", "--list", "folder"],
    "a shape": ["shape", "model.py:conv()", *I],
    "the shapes of a config": ["shape", "convcheck-code.yaml"],
    "parameters": ["params", "model.py:conv()"],
}


def test_code_is_no_layer_within_another_and_has_no_rewrites(convcheck: Run) -> None:
    for words in (["rewrites", "model.py:conv()"], ["shape", "Sequential(Identity(), 'model.py:conv()')", "-i", "2"]):
        result = convcheck(*words)
        assert result.exit_code == 2
        assert "is code of your own, which can only be a side of verify, with --trust" in result.stderr
    assert not was_imported()


@pytest.mark.parametrize("words", UNTRUSTED.values(), ids=UNTRUSTED)
def test_without_trust_code_is_refused_and_not_imported(convcheck: Run, words: list[str]) -> None:
    result = convcheck(*words)
    assert result.exit_code == 2
    command = "shape" if words[:2] == ["shape", "model.py:conv()"] else "verify"
    assert f"is code of your own, which is run only by {command} with --trust" in result.stderr
    assert not was_imported()


def test_what_is_pasted_is_no_code_even_with_trust() -> None:
    for words in (["verify", "-"], ["verify", "-", "--trust"]):
        result = CliRunner().invoke(app, words, input="model.py:conv(2)\n")
        assert result.exit_code == 2
        assert not was_imported()


@pytest.mark.parametrize(
    "key", ["trust: true", "defaults: {trust: true}", "ini: {convcheck_trust: true}", "options: --trust"]
)
def test_a_config_cannot_give_trust_to_itself(convcheck: Run, key: str) -> None:
    Path("c.yaml").write_text(f"{key}\n{CONFIG}")
    assert convcheck("verify", "c.yaml").exit_code == 2
    Path("c.yaml").write_text(CONFIG + f"    {key}\n")
    assert convcheck("verify", "c.yaml").exit_code == 2
    assert not was_imported()


def test_with_trust_code_is_run_and_its_prints_stay_out_of_the_results(convcheck: Run) -> None:
    result = convcheck("verify", "convcheck-code.yaml", "--trust", "-f", "json")
    assert was_imported()
    assert "printed by the user's own code" in result.stderr
    (row,) = json.loads(result.stdout)["results"]
    assert (result.exit_code, row["verdict"]) == (0, "equal")
    assert "--trust" in shlex.split(row["reproduce"])


def test_a_file_is_looked_for_from_its_config(convcheck: Run) -> None:
    result = convcheck("verify", "folder", "--trust")
    assert result.exit_code == 2
    assert "there is no file folder/model.py" in result.stderr


def test_a_command_without_code_takes_trust_and_needs_none(convcheck: Run) -> None:
    assert convcheck("verify", CONV, *I, "-r", "patchify-linear", "--trust").exit_code == 0


def stand_in(code: UserCode) -> Layer:
    """Return the layer that is written as the first argument of the code."""
    assert code.arguments is not None
    asked.append(str(code))
    return parse_layer(code.arguments.positional[0])


asked: list[str] = []


def read(text: str, *, trusted: bool = True) -> list[Case]:
    path = Path("sub/c.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    asked.clear()
    words = vocabulary()
    return load(path, "sub/c.yaml", words if not trusted else type(words)(words.rewrites, words.orders, stand_in))


def faults(text: str, *, trusted: bool = True) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, trusted=trusted)
    return [str(fault) for fault in caught.value.faults]


SIDES = """
cases:
  - reference: "m.py:F('Identity()', {p})"
    candidate: "m.py:F('Identity()')"
    input: [[2, 3]]
    name: "n{p}"
    matrix: {p: [1, 2]}
"""


def test_a_config_hands_code_to_the_loader_from_its_own_folder_and_once_each() -> None:
    cases = read(SIDES)
    assert [case.has_code for case in cases] == [True, True]
    assert sorted(asked) == sorted(
        ["sub/m.py:F('Identity()', 1)", "sub/m.py:F('Identity()', 2)", "sub/m.py:F('Identity()')"]
    )


CHOICES = """
cases:
  - reference: "package.m:F('Identity()')"
    candidate: Identity()
    input: ["x=2,3"]
    select: last_hidden_state
    train: true
"""


def test_what_is_asked_of_code_is_on_its_case() -> None:
    (case,) = read(CHOICES)
    assert [str(spec) for spec in case.input_specs] == ["x=2,3"]
    assert (case.inputs, case.select, case.train) == (((2, 3),), "last_hidden_state", True)
    (case,) = read(CHOICES.replace("last_hidden_state", "'-1'"))
    assert case.select == -1


FAULTS = {
    "code alone": (
        "layer: \"m.py:F('Identity()')\"\n    input: [2]",
        "sub/c.yaml:3:5: cases[0].layer: code is compared with a candidate of your own; name it under `candidate`",
    ),
    "no input": (
        "reference: \"m.py:F('Identity()')\"\n    candidate: Identity()",
        "sub/c.yaml:3:5: cases[0]: needs the shape of every input, since the code does not say what it takes",
    ),
    "no literal": (
        "reference: m.py:F(x)\n    candidate: Identity()",
        "sub/c.yaml:3:5: cases[0].reference: 'm.py:F(x)': x is no literal",
    ),
    "a type without code": (
        "layer: Identity()\n    input: int 2,3",
        "cases[0].input: 'int 2,3' is for code of your own",
    ),
    "an output of none": ("layer: Identity()\n    select: 0", "cases[0].select: a layer has one output"),
    "an output that is none": (
        "reference: \"m.py:F('Identity()')\"\n    candidate: Identity()\n    input: [2]\n    select: 1.5",
        "cases[0].select: 1.5 is no output; write its number in a tuple, such as 0, or its name in a dict",
    ),
}


@pytest.mark.parametrize(("case", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_about_code_stands_at_its_key(case: str, message: str) -> None:
    (fault,) = faults(f"cases:\n  -\n    {case}\n")
    assert message in fault


def test_defaults_may_hold_a_reference() -> None:
    text = SIDES.replace("cases:", "defaults: {reference: \"m.py:F('Identity()')\"}\ncases:")
    (case, _) = read(text.replace("  - reference: \"m.py:F('Identity()', {p})\"\n    candidate", "  - candidate"))
    assert str(case.layer) == "Identity()"
    (first, *_) = faults(text, trusted=False)
    assert first.startswith("sub/c.yaml:2:12: defaults.reference: \"sub/m.py:F('Identity()')\" is code of your own")


def test_one_option_that_is_missing_is_one_fault_of_a_file() -> None:
    case = "{{reference: 'm.py:F()', candidate: '{}', input: [2], map: '{}', bad: 1}}"
    text = f"cases: [{case.format('n.py:G()', 'p.py:h')}, {case.format('m.py:F()', 'm.py:h')}]\n"
    trust, *others = faults(text, trusted=False)
    others_named = "on the command line, as are 5 other values here (sub/m.py, sub/n.py, sub/p.py)"
    assert (trust.startswith("sub/c.yaml:1:"), trust.endswith(others_named)) == (True, True)
    assert ["unknown key" in other for other in others] == [True, True]


def test_python_asks_for_trust_as_well() -> None:
    with pytest.raises(ConvcheckError, match=r"is run only by convcheck\.verify with trust=True"):
        package.verify("model.py:conv(2)", [1, 3, 8, 8], candidate=CONV)
    with pytest.raises(ConvcheckError, match="is run only by"):
        package.verify(CONV, [1, 3, 8, 8], candidate="model.py:conv(2)", trust="false")  # type: ignore[arg-type]
    with pytest.raises(ConvcheckError, match="is run only by"):
        package.shape("model.py:conv(2)", (1, 3, 8, 8))
    assert not was_imported()
    with torch.device("meta"):
        assert package.verify("model.py:conv(2)", ["1,3,8,8"], candidate=CONV, trust=True).verdict == "equal"


def test_the_action_gives_trust_by_an_input_of_its_own(tmp_path: Path) -> None:
    action = yaml.safe_load((TOP / "action.yml").read_text())
    assert action["inputs"]["trust"]["default"] == "false"
    (step,) = [step for step in action["runs"]["steps"] if step["name"] == "Verify"]
    double = tmp_path / "python"
    double.write_text('#!/bin/sh\necho "$@"\n')
    double.chmod(0o755)
    for given, trusted in {"true": True, "false": False, "": False, "yes --trust": False}.items():
        environment = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "TARGETS": "a.yaml",
            "ARGS": "",
            "JUNIT": "",
            "TRUST": given,
        }
        done = subprocess.run(["bash", "-c", step["run"]], env=environment, capture_output=True, text=True, check=True)
        assert ("--trust" in done.stdout.split()) == trusted


def test_no_pickle_is_read_but_as_plain_tensors() -> None:
    for path in sorted((TOP / "convcheck").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                safe = any(word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords)
                assert called not in ("torch.load", "pickle.load", "pickle.loads", "joblib.load") or safe, path
            if isinstance(node, ast.ImportFrom) and [entry.name for entry in node.names] == ["UnpicklingError"]:
                # What torch refuses with.
                continue
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [entry.name for entry in node.names]
                )
                assert not {"pickle", "joblib", "dill", "cloudpickle"} & {name.partition(".")[0] for name in names}, (
                    path
                )
