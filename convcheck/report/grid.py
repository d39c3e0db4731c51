"""Tables that lose nothing: at any width every letter and digit is there.

A grid is printed as one line a row where that fits; else two cells are stacked in one; else each row becomes a block of
`header  value` lines. Piped output has no width, so there a row is always one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.text import Text

if TYPE_CHECKING:
    from rich.table import Table

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


@dataclass(frozen=True)
class Column:
    """A header, and whether the cells are numbers, which stand right and are never broken."""

    header: str
    number: bool = False


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], console: Console, stacks: Sequence[Sequence[int]] = ()
) -> RenderableType:
    """Lay rows of cells out for a console. `stacks` says which columns share a cell where the width is short."""
    wide = _table(columns, rows, [[index] for index in range(len(columns))])
    if _fits(wide, console):
        return wide
    if stacks:
        stacked = _table(columns, rows, stacks)
        if _fits(stacked, console):
            return stacked
    return _blocks(columns, rows)


def inert(text: str) -> str:
    """Return text in which nothing moves the cursor or changes colours: control characters are spelt out."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def cell(text: str) -> Text:
    """Return a cell: never read as markup, coloured where the word judges."""
    return Text(inert(text), style=STYLES.get(text, ""))


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]], stacks: Sequence[Sequence[int]]) -> Table:
    from rich import box
    from rich.table import Table

    # A blank line holds the lines of one row together where cells are stacked.
    leading = int(any(len(stack) > 1 for stack in stacks))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), leading=leading)
    for stack in stacks:
        header = Text("\n".join(columns[index].header for index in stack))
        right = all(columns[index].number for index in stack)
        table.add_column(header, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text("\n").join(cell(row[index]) for index in stack) for stack in stacks))
    return table


def _fits(table: Table, console: Console) -> bool:
    unlimited = console.options.update(max_width=10_000)
    return Measurement.get(console, unlimited, table).maximum <= console.width


def _blocks(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> RenderableType:
    width = max(len(column.header) for column in columns)
    from rich.table import Table

    blocks: list[RenderableType] = []
    for number, row in enumerate(rows):
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True, min_width=width, style="bold")
        block.add_column(overflow="fold")
        for column, text in zip(columns, row, strict=True):
            block.add_row(column.header, cell(text))
        blocks += [Text("")] if number else []
        blocks.append(block)
    return Group(*blocks)
