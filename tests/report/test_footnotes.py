"""No cell is wider than a page: what is longer stands below the table, whole."""

from __future__ import annotations

from collections.abc import Callable

from typer.testing import Result

from convcheck.report.footnotes import Footnotes
from convcheck.report.plain_console import print_to_text

Run = Callable[..., Result]

CHAIN = f"Sequential({', '.join(['Conv2d(8, 8, 3)'] * 30)})"


def test_a_long_cell_is_a_number_and_its_text_is_below() -> None:
    footnotes = Footnotes()
    formula = "7*b + " * 40 + "h"
    assert footnotes.cells(["short", CHAIN, formula, CHAIN]) == [
        "short",
        "Sequential(...) [1]",
        "[2]",
        "Sequential(...) [1]",
    ]
    assert print_to_text(lambda _: footnotes.lines()) == f"\n[1] {CHAIN}\n[2] {formula}"


def test_a_chain_of_many_layers_fits_on_a_page(convcheck: Run) -> None:
    output = convcheck("params", CHAIN).stdout
    rows = [line for line in output.splitlines() if "─" in line or "29.weight  " in line]
    assert len(rows) == 3
    assert max(map(len, rows)) <= 200
    assert "29.weight [8, 8, 3, 3]" in output
