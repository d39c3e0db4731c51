"""What docs/all-sizes.md says beside its commands: its certificate and its test."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.test_readme import BLOCKS, README, write_files

PAGE = README.parent / "docs" / "all-sizes.md"
MADE = re.compile(r"sha256 \w+|torch \S+|islpy \S+|Python \S+")
"""What other versions have otherwise."""


def test_the_certificate_of_the_page_is_the_one_that_is_written(
    convcheck: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = (command for page, command, _ in BLOCKS if page == PAGE and "certificate=" in command)
    assert convcheck(*shlex.split(command)[1:]).exit_code == 0
    (file,) = (tmp_path / "proofs").iterdir()
    (shown,) = re.findall(r"```text\n((?:.*\n)*?)```", PAGE.read_text("utf-8"))
    assert MADE.sub("", file.read_text("utf-8")) == MADE.sub("", shown)


def test_the_test_of_the_page_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    runpy.run_path("test_sizes.py")["test_halves_are_the_whole_at_every_size"]()
