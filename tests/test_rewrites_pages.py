"""docs/rewrites/ is what its program makes of the catalogue."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import pytest
from typer.testing import Result

from convcheck.catalogue.catalogue import catalogue
from docs.make_rewrites import FOLDER, INDEX, PICTURES, pages

MADE = pages()


def test_there_is_a_page_for_every_rewrite_and_no_other() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == {INDEX, *(f"{name}.md" for name in catalogue())}


def test_there_is_a_picture_for_every_rewrite_and_no_other() -> None:
    assert {path.name for path in (FOLDER / PICTURES).iterdir()} == {f"{name}.png" for name in catalogue()}


@pytest.mark.parametrize("name", MADE)
def test_a_page_is_what_the_program_makes(name: str) -> None:
    # python -m docs.make_rewrites writes all of them anew.
    assert (FOLDER / name).read_text("utf-8") == MADE[name]


@pytest.mark.parametrize("name", catalogue())
def test_a_page_says_why_what_and_for_whom(name: str) -> None:
    sections = [line[3:] for line in MADE[f"{name}.md"].splitlines() if line.startswith("## ")]
    assert sections == ["Why it holds", "Picture", "Pattern", "Code", "Cost", "All sizes", "Who has such layers"]
    assert len(catalogue()[name].derivation) > 20
    assert f"]({name}.md)" in MADE[INDEX]


@pytest.mark.parametrize("name", catalogue())
def test_the_command_of_a_page_prints_its_code(convcheck: Callable[..., Result], name: str) -> None:
    (command,) = re.findall(r"```sh\n(.*)\n```", MADE[f"{name}.md"])
    (code,) = re.findall(r"```python\n((?:.*\n)*?)```", MADE[f"{name}.md"])
    assert convcheck(*shlex.split(command)[1:]).stdout == code
