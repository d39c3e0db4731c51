"""Parameter counts, weight shapes and their initialisation as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.calculator.figures import BYTES
from convcheck.calculator.side_weights import Parameter, Weights
from convcheck.report.footnotes import Footnotes
from convcheck.report.format_values import (
    NOTHING,
    escape_controls,
    format_bytes,
    format_count,
    format_number,
    format_parameters,
    format_shape,
    format_sides,
)
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import prose

_PAIRS = (
    Column("case"),
    Column("rewrite"),
    Column("reference"),
    Column("candidate"),
    Column("params"),
    Column("one-to-one"),
    Column("same start"),
)
_SINGLE = (
    Column("parameter"),
    Column("shape"),
    Column("params", number=True),
    Column("size", number=True),
    Column("fan-in", number=True),
    Column("fan-out", number=True),
    Column("torch starts it as"),
)

_START = (
    "same start: whether weights that torch draws for the reference, moved over, are distributed as those that it "
    "draws for the candidate; - where they stand in a class of the candidate's own, which torch does not fill"
)
_FANS = (
    "fan-in: torch.nn.init's, the weight's second axis times its kernel; of a transposed layer, that is not how many "
    "inputs an output has"
)


def side_tables(rows: Sequence[Weights], console: Console, *, dtype: str, verbose: bool) -> Iterator[RenderableType]:
    """Yield the table of both sides, and why a candidate is missing; every parameter, if verbose or of one pair."""
    cells = [
        (
            row.case,
            row.rewrite or NOTHING,
            format_parameters(row.weights.reference),
            "refused" if row.reasons else format_parameters(row.weights.candidate),
            format_sides(row.params),
            NOTHING if row.reasons else "yes" if row.one_to_one else "no",
            {None: NOTHING, True: "yes", False: "no"}[row.same_start],
        )
        for row in rows
    ]
    footnotes = Footnotes()
    yield grid(_PAIRS, [footnotes.cells(row) for row in cells], console, ((0, 1), (2, 3), (4, 5, 6)))
    yield from footnotes.lines()
    for row in rows:
        if row.reasons:
            yield Text("")
            yield Text(escape_controls(row.case), style="bold")
            yield from (prose(Text(escape_controls(line)), indent=2) for line in row.reasons)
    if verbose or len(rows) == 1:
        yield Text("")
        yield from _every(rows, console, dtype)


def _every(rows: Sequence[Weights], console: Console, dtype: str) -> Iterator[RenderableType]:
    """Yield each parameter, of a reference once for all of its rewrites."""
    cells: list[list[str]] = []
    cases: set[str] = set()
    for row in rows:
        if row.case not in cases:
            cells += [[row.case, *_cells(parameter, dtype)] for parameter in row.parameters.reference or ()]
        cases.add(row.case)
        cells += [[f"[{row.rewrite}]", *_cells(parameter, dtype)] for parameter in row.parameters.candidate or ()]
    if cells:
        footnotes = Footnotes()
        rows_of_all = [footnotes.cells(row) for row in cells]
        yield grid((Column("of"), *_SINGLE), rows_of_all, console, ((0, 1), (2, 7), (3, 4), (5, 6)))
        yield from footnotes.lines()
        yield Text("")
        yield from map(Text, (_START, _FANS) if any(row.same_start is not None for row in rows) else (_FANS,))


def layer_tables(rows: Sequence[Weights], console: Console, *, dtype: str, whole: bool) -> Iterator[RenderableType]:
    """Yield the parameters of layers by themselves, one a line, and their sum where these are the `whole`."""
    cells: list[list[str]] = []
    for row in rows:
        first = [row.case, row.layer]
        for parameter in row.parameters.reference or ():
            cells.append([*first, *_cells(parameter, dtype)])
            first = ["", ""]
        if first[1]:
            cells.append([*first, NOTHING, NOTHING, "0", "0 B", NOTHING, NOTHING, NOTHING])
    sums = sum(row.params.reference or 0 for row in rows)
    known = [format_count(sums), format_bytes(sums * BYTES[dtype])] if whole else [NOTHING, NOTHING]
    cells.append(["", "total", "", "", *known, "", "", ""])
    columns = (Column("name"), Column("layer", wraps=True), *_SINGLE)
    yield grid(columns, cells, console, ((0, 1), (2, 3, 8), (4, 5), (6, 7)))
    yield Text("")
    yield Text(_FANS)


def _cells(parameter: Parameter, dtype: str) -> list[str]:
    return [
        parameter.name,
        format_shape(parameter.shape),
        format_count(parameter.count),
        format_bytes(parameter.count * BYTES[dtype]),
        format_count(parameter.fan_in),
        format_count(parameter.fan_out),
        _start(parameter),
    ]


def _start(parameter: Parameter) -> str:
    """Write a distribution: uniform ones by their bounds, normal ones by mean and standard deviation."""
    if parameter.init is None:
        return "none of torch's"
    if parameter.init == "uniform":
        return f"U(-{format_number(parameter.bound)}, {format_number(parameter.bound)})"
    return f"N(0, {format_number(parameter.std)}^2)" if parameter.init == "normal" else parameter.init
