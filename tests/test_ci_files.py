"""The files that others' CI reads: the action, the hooks, and the workflow of docs/ci.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

TOP = Path(__file__).parent.parent
ACTION = yaml.safe_load((TOP / "action.yml").read_text())
HOOKS = yaml.safe_load((TOP / ".pre-commit-hooks.yaml").read_text())
WORKFLOWS = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n((?:.*\n)*?)```", (TOP / "docs" / "ci.md").read_text())
]
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}

Run = Callable[..., Result]


def called(step: dict[str, Any], program: str, inputs: dict[str, str], folder: Path) -> list[list[str]]:
    """Run a step's script as a runner does, and return the arguments of every call of `program`."""
    double = folder / program
    double.write_text('#!/bin/sh\nprintf "%s\\0" "$@" >> "$CALLS"\nprintf "\\n" >> "$CALLS"\n')
    double.chmod(0o755)
    calls = folder / "calls"
    given = {name: inputs.get(re.findall(r"inputs\.([\w-]+)", value)[0], "") for name, value in step["env"].items()}
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "GITHUB_ACTION_PATH": "/at/action"}
    subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], env={**environment, **given}, check=True)
    return [line.split("\0")[:-1] for line in calls.read_text().splitlines()]


def test_every_input_of_the_action_is_described_and_used() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", (TOP / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    assert all(each["description"] for each in ACTION["inputs"].values())


def test_no_input_is_pasted_into_a_script() -> None:
    assert not any("${{" in step["run"] for step in STEPS.values())


def test_the_action_verifies_what_it_is_given_word_by_word(tmp_path: Path) -> None:
    inputs = {
        "targets": "\nconfigs\nmy folder/a.yaml\nConv2d(3, 8, 2); $(touch pwned)\n",
        "args": "--shard\n1/4",
        "junit": "out file.xml",
    }
    assert called(STEPS["Verify"], "python", inputs, tmp_path) == [
        ["-m", "convcheck", "verify", "--format", "github", "--report=junit=out file.xml", "--shard", "1/4", "--"]
        + ["configs", "my folder/a.yaml", "Conv2d(3, 8, 2); $(touch pwned)"]
    ]
    assert called(STEPS["Verify"], "python", {"targets": "configs"}, tmp_path)[1:] == [
        ["-m", "convcheck", "verify", "--format", "github", "--", "configs"]
    ]


def test_the_action_fails_where_no_target_is_given(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        called(STEPS["Verify"], "python", {"targets": "\n"}, tmp_path)
    assert stopped.value.returncode == 2


def test_the_action_installs_itself_and_the_torch_that_is_asked_for(tmp_path: Path) -> None:
    asked = {"torch": "torch==2.13.0", "pip-args": "--constraint\nmy constraints.txt"}
    assert called(STEPS["Install convcheck"], "python", asked, tmp_path) == [
        ["-m", "pip", "install", "--constraint", "my constraints.txt", "torch==2.13.0", "/at/action[junit]"]
    ]
    assert called(STEPS["Install convcheck"], "python", {}, tmp_path)[1:] == [
        ["-m", "pip", "install", "/at/action[junit]"]
    ]


def test_what_the_action_calls_is_understood(convcheck: Run, tmp_path: Path) -> None:
    (words,) = called(STEPS["Verify"], "python", {"targets": "Conv2d(3, 4, 2)", "args": "--list"}, tmp_path)
    assert convcheck(*words[2:]).exit_code == 0


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_looks_at_configs_by_their_name_and_stops_a_commit(convcheck: Run, hook: Any, tmp_path: Path) -> None:
    names = {"convcheck.yaml": True, "a/convcheck-vit.yml": True, "docker.yaml": False, "convcheck.py": False}
    assert {name: bool(re.search(hook["files"], name)) for name in names} == names
    program, *words = shlex.split(hook["entry"])
    assert program == "convcheck"
    for rewrite, code in (("patchify-linear", 0), ("patchify-conv1x1", 0), ("winograd", 1)):
        config = tmp_path / f"convcheck-{rewrite}.yaml"
        config.write_text(f'cases:\n  - {{layer: "Conv2d(3, 4, 2, stride=2)", rewrite: {rewrite}}}\n')
        assert convcheck(*words, config).exit_code == code


def test_the_workflow_that_is_shown_calls_convcheck_as_it_is(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(TOP / "configs")
    (workflow,) = [each for each in WORKFLOWS if isinstance(each, dict) and "jobs" in each]
    (job,) = workflow["jobs"].values()
    (run,) = [step["run"] for step in job["steps"] if step.get("name") == "Verify"]
    shards = job["strategy"]["matrix"]["shard"]
    for shard in shards:
        program, *words = shlex.split(run.replace("${{ matrix.shard }}", str(shard)))
        assert program == "convcheck"
        assert words[words.index("--shard") + 1] == f"{shard}/{len(shards)}"
        assert convcheck(*words, "--list").exit_code == 0


def test_the_step_that_is_shown_runs_in_this_repository_and_gives_the_action_what_it_takes() -> None:
    (step,) = [each[0] for each in WORKFLOWS if isinstance(each, list)]
    assert (TOP / step["uses"] / "action.yml").is_file()
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert {name for name, each in ACTION["inputs"].items() if each.get("required")} <= set(step["with"])


def test_the_hook_that_is_shown_is_the_one_that_others_get() -> None:
    (config,) = [each for each in WORKFLOWS if isinstance(each, dict) and "repos" in each]
    (repository,) = config["repos"]
    (hook,) = repository["hooks"]
    assert repository["repo"] == "local"
    (same,) = [each for each in HOOKS if each["id"] == "convcheck-system"]
    other = ("id", "name", "description")
    assert [{key: each[key] for key in each if key not in other} for each in (hook, same)] == [
        {key: same[key] for key in same if key not in other}
    ] * 2


@pytest.mark.parametrize("name", ["action.yml", ".pre-commit-hooks.yaml", "README.md", "docs"])
def test_no_address_is_made_up(name: str) -> None:
    files = [TOP / name] if (TOP / name).is_file() else sorted((TOP / name).rglob("*.md"))
    assert files
    for file in files:
        assert not re.findall(
            r"example\.(?:org|com|net)|\bOWNER\b|@v\d+\.\d+\.\d+\b", file.read_text(encoding="utf-8")
        ), file


def test_nothing_installs_convcheck_from_an_index_which_has_none() -> None:
    """`NAME @ ADDRESS` is no index, and neither is a path."""
    files = [TOP / "README.md", TOP / "action.yml", *(TOP / "docs").rglob("*.md"), *(TOP / "convcheck").rglob("*.py")]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    asks = r"pip\s+install[^`\n]*[ '\"]convcheck\b(?!\S* @ )"
    assert {str(file): found for file, text in texts.items() if (found := re.findall(asks, text))} == {}
