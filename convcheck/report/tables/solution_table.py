"""A mapping as a table, with the code that makes it and what its proof says."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.report.format_values import escape_controls
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import Verbatim, prose
from convcheck.report.result_rows import short
from convcheck.report.sizes_words import in_few_words
from convcheck.solving.solution import Solution, Status

_COLUMNS = (Column("parameter"), Column("comes from", wraps=True))


def solution_tables(solution: Solution, console: Console, *, verbose: bool) -> Iterator[RenderableType]:
    """Yield where every parameter comes from, the code if verbose, and what is known of the mapping."""
    if solution.map:
        rows = [(name, escape_controls(str(written))) for name, written in solution.map.items()]
        yield grid(_COLUMNS, rows, console)
    if verbose and solution.code is not None:
        yield Verbatim(f"\n{escape_controls(solution.code)}")
    for line, indent in _lines(solution):
        yield prose(Text(escape_controls(line)), indent=indent)


def _lines(solution: Solution) -> Iterator[tuple[str, int]]:
    """Yield lines, and how far each is indented."""
    result = solution.result
    if solution.status is Status.FOUND and result is not None:
        sizes = in_few_words(result.sizes)
        yield f"found, and proved: {result.verdict} ({result.evidence})" + (f"; sizes: {sizes}" if sizes else ""), 0
        if not result.ok:
            yield from ((line, 2) for line in short(result))
    if solution.status is Status.NOT_UNIQUE:
        yield "not unique: this mapping is proved, and others would do as well", 0
        yield from ((text, 2) for text in solution.exchangeable)
    if solution.status is Status.NONE:
        yield f"no mapping: {solution.reason or 'nothing matches'}", 0
        for side, names in (("reference", solution.unmatched.reference), ("candidate", solution.unmatched.candidate)):
            if names:
                yield f"no partner for the {side}'s {', '.join(names)}", 2
