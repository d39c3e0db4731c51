"""What goes into a pipe can be searched and compared: no line ends in blanks, and a claim ends where it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from convcheck.catalogue.catalogue import catalogue
from convcheck.cli.main import COMMANDS
from convcheck.report.formats import format_names

Run = Callable[..., Result]

CONFIG = """\
defaults: {layer: "Conv2d(3, 4, 2, stride=2)", rewrite: patchify-linear, input: [1, 3, 8, 8]}
cases:
  - {name: right}
  - {name: wrong, transplant: {weight: "o i kh kw -> o (kh kw i)"}}
  - {name: refused, layer: "Conv2d(3, 4, 2, padding=1)"}
  - {name: awaited, layer: "Conv2d(3, 4, 2, padding=1)", expect: {verdict: refused}}
"""

LAYER = "Conv2d(3, 8, 2, stride=2)"
CHAIN = (LAYER, "ReLU()", "Flatten()")

LINES = {
    "claims": ("verify", "c.yaml"),
    "all of their evidence": ("verify", "c.yaml", "-v"),
    "what is not as expected": ("verify", "c.yaml", "-q"),
    "the rewrites of a layer": ("verify", "Conv2d(2, 2, 2, stride=2)", "-i", "1,2,4,4"),
    "a candidate of one's own": ("verify", LAYER, "--candidate", LAYER, "-i", "1,3,8,8"),
    "names": ("verify", "c.yaml", "--list"),
    **{f"claims as {name}": ("verify", "c.yaml", "-f", name) for name in format_names()},
    "a shape": ("shape", LAYER, "-i", "1,3,8,8"),
    "a chain": ("shape", *CHAIN, "-i", "b,3,8,8", "-v"),
    "cases": ("shape", "c.yaml"),
    "formulas": ("shape", LAYER, "-i", "b,3,H,W", "--explain"),
    "inputs": ("shape", LAYER, "--output", "1,8,4,4"),
    "changes": ("shape", LAYER, "-i", "1,3,8,8", "--output", "1,8,8,8"),
    "paddings": ("shape", "Conv2d(3, 8, 3, 2)", "--same"),
    "sizes": ("shape", "ConvTranspose2d(3, 8, 3, 2)", "-i", "3,8,8", "--sizes"),
    "parameters of sides": ("params", "c.yaml", "-v"),
    "parameters of layers": ("params", *CHAIN),
    "parameters of a layer": ("params", LAYER),
    "the catalogue": ("rewrites",),
    "what holds": ("rewrites", LAYER, "--all"),
    **{f"a page about {name}": ("rewrites", name) for name in catalogue()},
    "the schema": ("schema",),
    "a first config": ("init", "-o", "-"),
    "a first config of a layer": ("init", LAYER, "-o", "-"),
    **{f"help about {command}": (command, "--help") for command in COMMANDS},
    "help": ("--help",),
}


@pytest.mark.parametrize("colour", ["never", "always"])
@pytest.mark.parametrize("words", LINES.values(), ids=LINES.keys())
def test_no_line_ends_in_blanks(
    convcheck: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], colour: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG)
    # The environment, since not every command colours.
    monkeypatch.setenv("FORCE_COLOR" if colour == "always" else "NO_COLOR", "1")
    printed = re.sub(r"\x1b\[[0-9;]*m", "", convcheck(*words).stdout)
    assert printed
    assert [line for line in printed.split("\n") if line != line.rstrip()] == []
