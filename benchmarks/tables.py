"""Tables of text on standard output, for a terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

FORMATS = ("table", "markdown")
WIDEST = 200


@dataclass(frozen=True)
class Written:
    """A table: its first column holds what the others are numbers of. `total` is a last row that stands out."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: Sequence[str] | None = None


def print_table(table: Written, written: str) -> None:
    """Print a table; `written` is one of FORMATS."""
    if written == "markdown":
        print("\n".join(markdown(table.head, [*table.rows, *([table.total] if table.total else [])])))
        return
    drawn = Table(*table.head[:1], box=None, header_style="bold", pad_edge=False)
    for title in table.head[1:]:
        drawn.add_column(title, justify="right", no_wrap=False)
    for each in table.rows:
        drawn.add_row(*each)
    if table.total:
        drawn.add_section()
        drawn.add_row(*table.total, style="bold")
    Console(width=WIDEST if not Console().is_terminal else None, highlight=False).print(drawn)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---', *['---:'] * (len(head) - 1)])}|"
    for each in rows:
        yield f"| {' | '.join(each)} |"
