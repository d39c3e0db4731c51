"""The shape calculator's rows as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.calculator.figures import FLOPS, Row, Total
from convcheck.report.footnotes import Footnotes
from convcheck.report.format_values import (
    NOTHING,
    escape_controls,
    format_bytes,
    format_count,
    format_inputs,
    format_jumps,
    format_receptive_field,
    format_shape,
)
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import prose
from convcheck.sizes.patterns import Shape, Shapes

_LAYER = Column("layer", wraps=True)
_INPUT = Column("input")
_COUNTS = tuple(Column(header, number=True) for header in ("params", "MACs"))
_ALL_COUNTS = tuple(
    Column(header, number=True) for header in ("params", "weight", "bias", "MACs", "FLOPs", "activation")
)
_READ = (Column("field"), Column("dropped"))
_ALL_READ = (Column("field"), Column("jump"), Column("dropped"))

# Which columns share a cell where the width is short, and where it is shorter.
_NAMES, _COUNTED = ("case", "name", "layer"), ("params", "weight", "bias", "MACs", "FLOPs")
_STACKS = (
    (_NAMES, ("input", "output", "activation"), _COUNTED, ("field", "jump", "dropped")),
    (_NAMES, ("input", "output", "activation", "dropped"), _COUNTED, ("field", "jump")),
)

_NONE = frozenset({NOTHING, ""})

_FIELD = (
    "field: positions of the input from the first to the last that an output depends on; jump: how far apart those of "
    "neighbouring outputs begin"
)


def shape_tables(
    rows: Sequence[Row],
    total: Total | None,
    console: Console,
    *,
    verbose: bool,
    conditions: Sequence[str] = (),
    chained: bool = True,
    outputs: Shapes = (),
) -> Iterator[RenderableType]:
    """Yield the table of the shape calculator, and the formulas, where they were asked for.

    Of a chain, only outputs are shown, since each is the next one's input. `dropped` counts trailing input positions
    that are never read. `outputs` are those of a model that is no chain.
    """
    labels = [row.case or row.name or "" for row in rows]
    label = (Column("case" if rows[0].case else "name"),) if any(labels) else ()
    chained = chained and total is not None
    ends = (Column("output"),) if chained else (_INPUT, Column("output"))
    counts, read = (_ALL_COUNTS, _ALL_READ) if verbose else (_COUNTS, _READ)
    columns = (*label, _LAYER, *ends, *counts, *read)
    named = zip(labels, rows, strict=True)
    cells = [[*[name][: len(label)], row.layer, *_cells(row, verbose, chained=chained)] for name, row in named]
    if total is not None:
        nameless = [""] * len(label)
        blank = [""] * (len(columns) - len(label) - 2)
        if chained:
            cells.insert(0, [*nameless, "input", _input(rows[0]), *blank])
        cells.append([*nameless, "total", *_sums(rows, total, verbose, chained=chained, outputs=outputs)])
    if outputs:
        # A run of a model tells no fields.
        told = [
            place for place, column in enumerate(columns) if column not in read or {r[place] for r in cells} - _NONE
        ]
        columns, cells = tuple(columns[place] for place in told), [[row[place] for place in told] for row in cells]
    places = {column.header: index for index, column in enumerate(columns)}
    stacks = ([[places[name] for name in stack if name in places] for stack in layout] for layout in _STACKS)
    footnotes = Footnotes()
    yield grid(columns, [footnotes.cells(row) for row in cells], console, *stacks)
    yield from footnotes.lines()
    if conditions:
        yield Text("")
        yield Text(f"for {', '.join(map(escape_controls, conditions))}")
    if verbose:
        yield Text("")
        yield Text(FLOPS)
        yield from [Text(_FIELD)] if set(read) & set(columns) else []
    for row in rows:
        if row.explained:
            yield Text("")
            yield Text(escape_controls(row.layer), style="bold")
            yield from (prose(Text(line), indent=2) for line in row.explained)


def _input(row: Row) -> str:
    return NOTHING if row.input is None else format_inputs(row.input)


def _cells(row: Row, verbose: bool, *, chained: bool) -> list[str]:
    # In a chain, the input is the output of the row above.
    ends = [format_shape(row.output)] if chained else [_input(row), format_shape(row.output)]
    return [*ends, *_numbers(row, format_bytes(row.activation), verbose)]


def _sums(rows: Sequence[Row], total: Total, verbose: bool, *, chained: bool, outputs: Shapes) -> list[str]:
    return [
        *([format_shape(rows[-1].output)] if chained else ["", ", ".join(map(format_shape, outputs))]),
        *_numbers(total, f"largest {format_bytes(total.largest_activation)}", verbose),
    ]


def _numbers(row: Row | Total, activation: str, verbose: bool) -> list[str]:
    field, lost = format_receptive_field(row.receptive_field, row.jump), dropped(row.dropped)
    if not verbose:
        return [format_count(row.params), format_count(row.macs), field, lost]
    counts = [format_count(count) for count in (row.params, row.weight, row.bias, row.macs, row.flops)]
    return [*counts, activation, field, format_jumps(row.jump), lost]


def dropped(lengths: Shape | None) -> str:
    """Write what a layer never reads, such as `6 rows, 6 columns`, or `none`; - where it is unknown."""
    if lengths is None:
        return NOTHING
    names = {1: ("position",), 2: ("row", "column"), 3: ("frame", "row", "column")}.get(len(lengths), ())
    # By their text, since a formula is not asked whether it is zero.
    lost = [(str(length), name) for length, name in zip(lengths, names, strict=True)]
    words = [f"{length} {name}{'' if length == '1' else 's'}" for length, name in lost if length != "0"]
    return ", ".join(words) or "none"
