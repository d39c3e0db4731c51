"""What docs/checkpoints.md shows, command after command in one folder."""

from __future__ import annotations

import os
import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.test_readme import README, write_files

PAGE = README.parent / "docs" / "checkpoints.md"


@pytest.mark.kernels
def test_the_page_shows_what_is_printed(
    convcheck: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(PAGE, tmp_path)
    runpy.run_path(str(tmp_path / "make_model.py"))
    text = PAGE.read_text("utf-8")
    blocks = re.findall(r"```text\n\$ convcheck (.*)\n((?:.*\n)*?)```", text)
    assert len(blocks) == 11
    for command, shown in blocks:
        # Which output values are the worst is the kernels' matter.
        printed = re.sub(r"  (in float32|the worst) .*\n", "", convcheck(*shlex.split(command)).output)
        # Errors, bounds and times are those of this machine.
        printed = re.sub(r"[\d.]+e-\d+ / [\d.]+e-\d+", "1.788e-07 / 2.300e-05", printed)
        printed = re.sub(r"[\d.]+ s;", "0.5 s;", printed)
        if os.environ.get("CONVCHECK_WRITE_README"):
            text = text.replace(f"$ convcheck {command}\n{shown}```", f"$ convcheck {command}\n{printed}```")
        else:
            assert printed == shown
    PAGE.write_text(text)
    assert Path("back.safetensors").read_bytes() == Path("model.safetensors").read_bytes()
    assert not Path("wrong.safetensors").exists()
