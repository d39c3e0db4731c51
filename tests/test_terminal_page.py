"""docs/terminal.md has the help of every command, and all exit codes."""

from __future__ import annotations

import re

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
