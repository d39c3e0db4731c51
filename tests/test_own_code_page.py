"""What docs/own-code.md says beside its commands: its tests, its table of maps, and its code to take away."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import convcheck as package
from convcheck.cli.main import app
from convcheck.config.parse_source import parse_source
from tests.test_readme import BLOCKS, README, write_files

PAGE = README.parent / "docs" / "own-code.md"
TEXT = PAGE.read_text("utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder with the page's files, which are importable."""
    write_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_the_test_of_the_page_passes_and_fails_as_it_says(folder: Path) -> None:
    names = runpy.run_path(str(folder / "test_patches.py"))
    names["test_patches_by_hand_are_those_of_the_convolution"]()
    wrong = runpy.run_path(str(folder / "mistakes.py"))["OrderInForward"]
    with pytest.raises(AssertionError) as failed:
        package.assert_equal(names["PatchEmbed"](), (2, 3, 8, 12), candidate=wrong(), map_by=names["convert"])
    (shown,) = re.findall(r"```text\n((?:.*\n)*?)```", TEXT)
    assert f"{failed.value}\n" == shown


def test_every_option_of_code_has_an_example_that_runs() -> None:
    options = {option for line in own_code_options() for option in re.findall(r"^  (--[\w-]+)", line)}
    assert len(options) == 9
    page = (PAGE.parent / "checkpoints.md").read_text("utf-8")
    others = re.findall(r"^\$ (convcheck verify .*)$", page, re.MULTILINE)
    commands = [*(command for _, command, _ in BLOCKS), *others]
    words = [word for command in commands for word in shlex.split(command)]
    assert options - set(words) == set()


def own_code_options() -> list[str]:
    """Return the lines of the panel in the help of verify."""
    printed = CliRunner().invoke(app, ["verify", "--help"]).stdout
    return printed.partition("Your own code:\n")[2].partition("\n\n")[0].splitlines()


NOTATIONS = re.findall(r"^\| `(.*)` \| ", TEXT.partition("| source |")[2].partition("\n\n")[0], re.MULTILINE)


@pytest.mark.parametrize("source", NOTATIONS)
def test_a_source_in_the_table_can_be_read(source: str) -> None:
    written = source.replace("\\|", "|")
    assert str(parse_source(str(parse_source(written)))) == str(parse_source(written))


def test_the_table_names_all_kinds_of_sources() -> None:
    assert {type(parse_source(source.replace("\\|", "|")).operand).__name__ for source in NOTATIONS} == {
        "str", "Constant", "Scaled", "Joined", "Added", "Product"
    }  # fmt: skip


def test_code_to_take_away_verifies_as_the_page_says(convcheck: Callable[..., Result], folder: Path) -> None:
    (block,) = re.findall(r"```sh\n((?:.*\n)*?)```", TEXT)
    printing, verifying = (shlex.split(line) for line in block.splitlines())
    *words, arrow, name = printing
    assert (words[0], arrow, verifying[0]) == ("convcheck", ">", "convcheck")
    (folder / name).write_text(convcheck(*words[1:]).stdout)
    printed = convcheck(*verifying[1:])
    assert (printed.exit_code, "identical  identical" in printed.stdout) == (0, True)
