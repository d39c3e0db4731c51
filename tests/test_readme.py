"""What README and the pages under docs/ show is what the program prints."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
PAGES = (README, *sorted((README.parent / "docs").glob("*.md")))
BLOCKS = [
    (page, command, shown)
    for page in PAGES
    for _, command, shown in re.findall(r"(`{3,})console\n\$ (.*)\n((?:.*\n)*?)\1\n", page.read_text("utf-8"))
]
CONFIGS = re.findall(r"```yaml\n((?:.*\n)*?)```", TEXT)


def comparable(text: str) -> str:
    """Leave out what differs from machine to machine: seconds, versions, and the digits and places of errors."""
    text = re.sub(r"\d+\.\d s", "N s", text)
    text = re.sub(r"torch \S+, Python \S+, on cpu, \d+ threads?", "torch", text)
    text = re.sub(r'("(?:torch|python)": )"[^"]*"', r"\1N", text)
    text = re.sub(r'("threads": )\d+', r"\1N", text)
    text = re.sub(r'(at |"at": )\[[\s\d,]+\]', r"\1[N]", text)
    text = re.sub(r"\d+ ulp", "N ulp", text)
    text = re.sub(r"-?\d+\.\d+(e[-+]\d\d)?", "N", text)
    return "\n".join(re.sub(r" +", " ", line).rstrip() for line in text.splitlines()).strip()


@pytest.mark.parametrize(
    ("page", "command", "shown"), BLOCKS, ids=[f"{page.stem}: {command}" for page, command, _ in BLOCKS]
)
def test_what_is_shown_is_what_is_printed(
    convcheck: Callable[..., Result],
    page: Path,
    command: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, config in re.findall(r"```yaml\n# ([\w-]+\.yaml)\n((?:.*\n)*?)```", page.read_text("utf-8")):
        # A page's own config; what it says of its name is its first line.
        (tmp_path / name).write_text(f"# {name}\n{config}")
    program, *words = shlex.split(command)
    assert program == "convcheck"
    printed = convcheck(*words).stdout
    if os.environ.get("CONVCHECK_WRITE_README"):
        page.write_text(page.read_text("utf-8").replace(f"$ {command}\n{shown}```", f"$ {command}\n{printed}```"))
    else:
        assert comparable(printed) == comparable(shown)


@pytest.mark.parametrize("text", CONFIGS, ids=range(len(CONFIGS)))
def test_configs_of_the_readme_hold(convcheck: Callable[..., Result], text: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    expected = 1 if "# wrong.yaml" in text else 2 if "# bad.yaml" in text else 0
    assert convcheck("verify", config).exit_code == expected


def test_the_faults_of_the_readme_are_those_that_are_told(
    convcheck: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = [text for text in CONFIGS if "# bad.yaml" in text]
    (tmp_path / "bad.yaml").write_text(text)
    (shown,) = re.findall(r"```text\n((?:.*\n)*?)```", TEXT)
    assert convcheck("verify", "bad.yaml").stderr == shown


def test_the_python_of_the_readme_runs_and_gives_the_shapes_that_are_told() -> None:
    told = 0
    for block in re.findall(r"```python\n((?:.*\n)*?)```", TEXT):
        # Each is copied alone.
        namespace: dict[str, object] = {}
        exec(block, namespace)
        for line, shape in re.findall(r"^(.*?)  # ([\[(][\d, ]+[\])])$", block, re.MULTILINE):
            value = eval(line.partition(" = ")[2] or line, namespace)
            assert str(list(getattr(value, "shape", value))) == shape.replace("(", "[").replace(")", "]")
            told += 1
    assert told == 5


def test_both_commands_use_the_constraints_and_an_environment_of_their_own() -> None:
    commands = re.findall(r"```sh\n(.*)\n```", TEXT)
    assert len(commands) == 2
    assert all("-m venv" in command and "-c constraints.txt" in command for command in commands)
