"""Tables that lose nothing: at any width every letter and digit is there.

A grid is printed as one line a row where that fits; else long cells are broken between words, then several cells are
stacked in one; else each row becomes a block of `header  value` lines. Piped output has no width, so there a row is
always one line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from convcheck.errors import escape_line
from convcheck.report.format_values import escape_controls
from convcheck.report.lines import Cell, Lines

STYLES = {
    "equal": "green",
    "identical": "green",
    "yes": "green",
    "different": "bold red",
    "error": "bold red",
    "refused": "yellow",
    "no": "yellow",
}
"""The colours of words that judge; they are never the only sign of anything."""


_LENGTHS = (72, 56, 44, 36, 30)
"""Characters at which long cells are broken, from the longest that may fit."""

_TIE = "\ufffc"
"""Stands for a space at which no line may be broken."""


@dataclass(frozen=True)
class Column:
    """A header, and whether the cells are numbers, which are aligned right and never broken.

    Long cells of a `wraps` column are laid out on several lines where the width is short, broken between words only.
    """

    header: str
    number: bool = False
    wraps: bool = False


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], console: Console, *stacked: Sequence[Sequence[int]]
) -> RenderableType:
    """Lay rows of cells out for a console; where the width is short, by the first of the `stacked` layouts that fits.

    A layout lists, for every cell, the columns that share it.
    """
    # Only lines that are broken here are lines; one that stands in a name is spelt out.
    rows = [[escape_line(text) for text in row] for row in rows]
    separate = [[index] for index in range(len(columns))]
    lines = _lines(columns, rows)
    if lines.width <= console.width:
        return lines
    wraps = any(column.wraps for column in columns)
    for layout in (separate, *stacked):
        for length in (None, *(_LENGTHS if wraps else ())):
            table = _table(columns, [_wrapped(columns, row, length) for row in rows], layout)
            if _fits(table, console):
                return table
    return _blocks(columns, rows)


def _lines(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Lines:
    cells = [[Cell(text.rstrip(), STYLES.get(text, "")) for text in row] for row in rows]
    return Lines([column.header for column in columns], cells, [column.number for column in columns])


def _wrapped(columns: Sequence[Column], row: Sequence[str], length: int | None) -> list[str]:
    pairs = zip(columns, row, strict=True)
    return [_broken(text, length) if length and column.wraps else text for column, text in pairs]


def _broken(text: str, length: int) -> str:
    """Break a text into lines between words, but not within inner brackets: `(2, 2)` stays as it is."""
    depth, tied = 0, ""
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        tied += _TIE if letter == " " and depth > 1 else letter
    lines = textwrap.wrap(tied, length, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace(_TIE, " ")


def cell(text: str) -> Text:
    """Return a cell: never read as markup, coloured where the word judges."""
    return Text(escape_controls(text), style=STYLES.get(text, ""))


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]], stacks: Sequence[Sequence[int]]) -> Table:
    # A blank line holds the lines of one row together where cells are stacked or broken.
    leading = int(any(len(stack) > 1 for stack in stacks) or any("\n" in text for row in rows for text in row))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), leading=leading)
    height = max(map(len, stacks))
    for stack in stacks:
        # Rich aligns headers at the bottom, and cells at the top.
        header = Text("\n".join([*(columns[index].header for index in stack), *[""] * (height - len(stack))]))
        numbers = all(columns[index].number for index in stack)
        table.add_column(header, justify="right" if numbers else "left", no_wrap=True)
    for row in rows:
        stacked = [Text("\n").join(cell(row[index]) for index in stack) for stack in stacks]
        for text in stacked:
            # Empty cells below the last one would be lines of nothing.
            text.rstrip()
        table.add_row(*stacked)
    return table


def _fits(table: Table, console: Console) -> bool:
    unlimited = console.options.update(max_width=10_000)
    return Measurement.get(console, unlimited, table).maximum <= console.width


def _blocks(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> RenderableType:
    width = max(len(column.header) for column in columns)

    blocks: list[RenderableType] = []
    for number, row in enumerate(rows):
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True, min_width=width, style="bold")
        block.add_column(overflow="fold")
        for column, text in zip(columns, row, strict=True):
            # In a table an empty cell keeps its place; here it would be a line of nothing.
            if text:
                block.add_row(column.header, cell(text))
        blocks += [Text("")] if number else []
        blocks.append(block)
    return Group(*blocks)
