"""docs/terminal.md has the help of every command, and all exit codes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.cli import exit_codes
from convcheck.cli.main import COMMANDS
from convcheck.report.formats import format_names
from tests.test_readme import BLOCKS, README

PAGE = README.parent / "docs" / "terminal.md"
TEXT = PAGE.read_text("utf-8")


def test_every_command_has_its_row_and_its_help() -> None:
    # What is in a block is held against the program, word by word, in test_readme.
    helps = {command for page, command, _ in BLOCKS if page == PAGE and command.endswith("--help")}
    assert helps == {"convcheck --help", *(f"convcheck {command} --help" for command in COMMANDS)}
    rows = re.findall(r"^\| \[`(\w+)`\]\(#convcheck-(\w+)\)", TEXT, re.MULTILINE)
    assert rows == [(command, command) for command in COMMANDS]
    assert re.findall(r"^### convcheck (\w+)$", TEXT, re.MULTILINE) == list(COMMANDS)


def test_every_exit_code_has_a_row() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert {int(code) for code in re.findall(r"^\| (\d+) \| ", TEXT, re.MULTILINE)} == codes


def test_every_format_has_a_section_in_the_page_that_is_linked() -> None:
    assert "ci.md#formats" in TEXT
    sections = re.findall(r"^### (\w+)$", (PAGE.parent / "ci.md").read_text("utf-8"), re.MULTILINE)
    assert set(format_names()) <= set(sections)


def test_the_first_commands_can_be_typed_one_after_the_other(
    convcheck: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```sh\n((?:.*\n)*?)```", TEXT)
    for line in block.splitlines():
        words = shlex.split(line, comments=True)[1:]
        # What is proved is proved elsewhere.
        shown = convcheck(*words, *["--list"] * (words[0] == "verify"))
        assert shown.exit_code == 0
        assert shown.stdout or words[0] == "init"
