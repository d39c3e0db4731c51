"""Blocks of a terminal: a heading says what is looked at, and below it stands a row a claim, its verdict first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from convcheck.report.grid import STYLES
from convcheck.results import Verdict

_SIGNS = {Verdict.EQUAL: "✓", Verdict.DIFFERENT: "✗", Verdict.REFUSED: "\N{EN DASH}", Verdict.ERROR: "!"}
_ASCII_SIGNS = {**_SIGNS, Verdict.EQUAL: "+", Verdict.DIFFERENT: "x", Verdict.REFUSED: "-"}

GAP, INDENT = 2, 4
"""Columns between two cells, and before what stands below a row."""

_WIDEST = 120
"""Columns that a heading of one line takes at most, also where there is no edge."""


def heading(
    console: Console, name: str, layer: str, facts: str, numbers: str, candidate: str | None = None
) -> Text | Table:
    """Return the heading of a block as a line, or in the fewest columns that fit; the texts are of one line."""
    first, about, facts_text, numbers_text = Text(name, "bold"), Text(layer), Text(facts), Text(numbers)
    candidates = [Text(candidate)] if candidate else []
    line = Text(" " * GAP).join((first, about, facts_text, numbers_text))
    if not candidates and line.cell_len <= min(console.width, _WIDEST):
        return line
    beside: list[tuple[Text, ...]] = [(first, about), *((Text("candidate"), it) for it in candidates)]
    beside.append((numbers_text, facts_text))
    widths = (max(line.cell_len for line in column) for column in zip(*beside, strict=True))
    grid = Table.grid(padding=(0, GAP, 0, 0))
    if sum(widths) + GAP > console.width:
        lines = (first, about, *candidates, Text.assemble(numbers, "  ", facts))
        beside = [(_hanging(line, console),) for line in lines]
    for _ in beside[0]:
        grid.add_column(overflow="fold")
    for cells in beside:
        grid.add_row(*cells)
    return grid


def _hanging(line: Text, console: Console) -> Text:
    """Return a line of a heading; what does not fit goes on below it, indented."""
    if line.cell_len <= console.width:
        return line
    first, *rest = line.wrap(console, console.width - INDENT, overflow="fold")
    return Text("\n").join([first, *(Text(" " * INDENT) + more for more in rest)])


def signed(console: Console, verdict: Verdict, *, ok: bool) -> Text:
    """Return a verdict behind its sign; what should have been something else is no success, even if it is equal."""
    failed = Verdict.DIFFERENT if verdict is Verdict.EQUAL and not ok else verdict
    signs = _ASCII_SIGNS if console.options.ascii_only else _SIGNS
    return Text(f"{signs[failed]} {verdict}", STYLES[Verdict.EQUAL] if ok else STYLES[failed])


def rule(console: Console, width: int) -> Text:
    """Return the line below the headers."""
    return Text(("-" if console.options.ascii_only else "─") * width)


def row(cells: Sequence[Text], widths: Sequence[int], numbers: Collection[int] = ()) -> Text:
    """Return cells as a line of columns of these widths; those at the places of `numbers` are aligned right."""
    line = Text()
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blank = " " * (width - cell.cell_len)
        line += Text.assemble(blank, cell) if place in numbers else Text.assemble(cell, blank)
        line += Text(" " * GAP)
    line.rstrip()
    return line
