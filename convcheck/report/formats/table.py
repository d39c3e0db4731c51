"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.errors import escape_line
from convcheck.report import result_rows
from convcheck.report.grid import STYLES, Column, cell, grid
from convcheck.report.plain_console import print_to_text
from convcheck.results import Report, Result

_COLUMNS = tuple(Column(header, number=header in result_rows.NUMBERS) for header in result_rows.HEADERS)
_STACKS = (
    ((0, 1), (2, 3), (4, 5), (6, 7), (8,)),
    ((0, 1, 8), (2, 3), (4, 5), (6, 7)),
    ((0, 1, 8), (2, 3), (4, 5, 6, 7)),
)
"""Columns that share a cell, from the widest layout to the narrowest."""


def lay_out(report: Report, console: Console, *, verbose: bool, quiet: bool) -> Iterator[RenderableType]:
    """Yield the table of results, what needs saying about them, and the sum; if quiet, only what was not expected."""
    results = [result for result in report.results if not (quiet and result.ok)]
    if results:
        yield result_table(results, console)
    for result in results:
        lines = list(result_rows.remarks(result))
        if verbose:
            lines = [f"{subject:<12}{text}" for subject, text in result_rows.evidence(result)]
        if lines:
            yield Text("")
            where = f"  {escape_line(result.source)}" if result.source else ""
            heading = (f"{escape_line(result.case)} ", "bold"), f"[{result.rewrite}]  ", cell(result.verdict), where
            yield Text.assemble(*heading)
            yield from (Text(f"  {line}") for line in lines)
    if results or not quiet or report.interrupted:
        yield Text("")
        yield Text.assemble(*((text, STYLES.get(verdict, "")) for text, verdict in result_rows.total(report)))


def render(report: Report) -> str:
    """Return the table as it goes into a file, which has no edge and no colours."""
    return print_to_text(lambda console: lay_out(report, console, verbose=False, quiet=False))


def result_table(results: Sequence[Result], console: Console) -> RenderableType:
    """Return the table, with a row for every result."""
    return grid(_COLUMNS, [result_rows.cells(result) for result in results], console, *_STACKS)
