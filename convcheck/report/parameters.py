"""Parameter counts as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.report.grid import Column, grid, inert
from convcheck.report.wording import both, shapes
from convcheck.results import Weights

_PARAMS = (
    Column("case"),
    Column("rewrite"),
    Column("reference"),
    Column("candidate"),
    Column("params"),
    Column("one-to-one"),
)


def counted(rows: Sequence[Weights], console: Console) -> Iterator[RenderableType]:
    """Yield the table of parameter counts and weight shapes, and why a candidate is missing."""
    cells = [
        (
            row.case,
            row.rewrite or "-",
            shapes(row.weights.reference),
            "refused" if row.reason else shapes(row.weights.candidate),
            both(row.params),
            "-" if row.reason else "yes" if row.one_to_one else "no",
        )
        for row in rows
    ]
    yield grid(_PARAMS, cells, console, ((0, 1), (2, 3), (4, 5)))
    for row in rows:
        if row.reason:
            yield Text("")
            yield Text(inert(row.case), style="bold")
            yield from (Text(f"  {inert(line)}") for line in row.reason.split("; "))
