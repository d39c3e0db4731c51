"""Results for a terminal, printed as they come: a heading a case, and under it a line a claim, its verdict first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convcheck.errors import escape_line
from convcheck.report import result_rows
from convcheck.report.blocks import GAP, INDENT, heading, rule, signed
from convcheck.report.format_values import NOTHING, format_count, format_inputs, format_number, format_shape
from convcheck.report.grid import STYLES, cell
from convcheck.report.plain_console import Verbatim, print_to_text, prose
from convcheck.report.spread_lines import spread_lines
from convcheck.results import Agreement, Finding, Kind, Report, Result, SizesStatus, Verdict

_SIDES = ("layer", "reference", "candidate")

_SIZES = len("all b i o h=4n w=4n")
"""Columns that most of what is said of all sizes needs."""


def lay_out(report: Report, console: Console, *, verbose: bool = False) -> Iterator[RenderableType]:
    """Yield the whole table and the sum."""
    all_sizes = result_rows.SIZES in result_rows.headers(report)
    rewrites = map(result_rows.rewrite, report.results)
    table = ResultTable(console, rewrites, verbose=verbose, all_sizes=all_sizes)
    for result in report.results:
        yield from table.rows(result)
    yield from total(report)


def render(report: Report) -> str:
    """Return the table as it goes into a file, which has no edge and no colours."""
    return print_to_text(lambda console: lay_out(report, console))


def total(report: Report) -> Iterator[RenderableType]:
    """Yield the sum of a run."""
    pieces = ((text, STYLES.get(verdict, "")) for text, verdict in result_rows.total(report))
    yield Text("")
    yield Text.assemble(*pieces)


class ResultTable:
    """The table of a run, row by row.

    Its widths are those of all rows that may come, so that a row is printed before the next is known.
    """

    def __init__(
        self, console: Console, rewrites: Iterable[str], *, verbose: bool = False, all_sizes: bool = False
    ) -> None:
        self._console, self._verbose = console, verbose
        self._widths = {
            "verdict": len("x different"),
            "rewrite": max([len("rewrite"), *map(len, rewrites)]),
            "max abs error / bound": len("1.234e-05 / 1.234e-05"),
            "exact": len(Agreement.IDENTICAL),
            "gradients": len(Agreement.IDENTICAL),
        }
        needed = sum(self._widths.values()) + GAP * (len(self._widths) - 1)
        self._room = console.width - needed - GAP
        """Columns that are left for a remark beside the row; negative where even the row is too long."""
        self._sizes = _SIZES if all_sizes and self._room >= _SIZES else 0
        """The width of a column for sizes, before the remark; where there is no room, they stand in it."""
        self._stacked = needed > console.width
        self._case: tuple[str, str | None] | None = None
        self._notes: set[Finding] = set()
        self._lines = 0
        """What was printed of this case."""

    def rows(self, result: Result) -> Iterator[RenderableType]:
        """Yield what a result adds to the table: before the first one the headers, before a case its heading."""
        if self._case is None:
            yield from self._headers()
        if self._case != (result.case, result.source):
            head = self._heading(result)
            height = 2 if isinstance(head, Table) else 1
            # Cases of two lines stand close together.
            if self._lines and (self._lines > 2 or height > 1):
                yield Text("")
            yield head
            self._case, self._notes, self._lines = (result.case, result.source), set(), height
        remarks = self._evidence(result) if self._verbose else self._remarks(result)
        # Both sides are in the heading.
        below = (self._line(subject, text) for subject, text in remarks if subject not in _SIDES)
        for line in (*self._row(result), *below):
            self._lines += 1
            yield line

    def _heading(self, result: Result) -> Text | Table:
        """Return name, layer, shapes, parameters and dtype."""
        numbers = result.dtype if result.device == "cpu" else f"{result.dtype} on {result.device}"
        shapes = f"{format_inputs(result.input)} -> {format_shape(result.output_shape.reference)}"
        facts = f"{shapes}   {format_count(result.params.reference)} parameters"
        candidate = escape_line(result.candidate) if result.candidate else None
        return heading(self._console, escape_line(result.case), escape_line(result.layer), facts, numbers, candidate)

    def _row(self, result: Result) -> Iterator[RenderableType]:
        error, bound = format_number(result.error.max_abs), format_number(result.error.bound)
        measured = NOTHING if error == NOTHING else f"{error:>9} / {bound}"
        verdict = signed(self._console, result.verdict, ok=result.ok)
        exact, gradients = _exact(result), _agreement(result.gradients.status)
        rewrite, sizes, words = result_rows.rewrite(result), _sizes(result), [*_remark(result)]
        if not self._sizes:
            # What is said of them below is not said twice.
            words += [sizes] if sizes not in ("", NOTHING) and not (self._verbose or _explains_sizes(result)) else []
            sizes = ""
        remark = ", ".join(words)
        if self._stacked:
            yield Text.assemble(verdict, " " * (self._widths["verdict"] - len(verdict) + GAP), rewrite)
            if measured != NOTHING:
                yield Text(self._stack(measured, exact, gradients))
            yield from [self._line("", remark)] if remark else []
            return
        row = self._columns()
        apart = " " * GAP if self._sizes else ""
        choices = [
            (f"{sizes:<{self._sizes}}{apart}{remark}".rstrip(), ""),
            (sizes, remark),
            ("", ", ".join(filter(None, (sizes, remark)))),
        ]
        beside, below = next(choice for choice in choices if len(choice[0]) <= max(self._room, 0))
        last = cell(gradients)
        if below and not self._sizes and gradients == NOTHING:
            # The room of what was not measured is there for what is to be said.
            said = f"{gradients}{' ' * GAP}{below}"
            if len(said) <= self._widths["gradients"] + GAP + self._room:
                last, below = Text(said), ""
        row.add_row(verdict, rewrite, measured, cell(exact), last, beside)
        yield row
        yield from [self._line("", below)] if below else []

    def _headers(self) -> Iterator[RenderableType]:
        verdict, rewrite, *below = self._widths
        if self._stacked:
            yield Text(f"{verdict:<{self._widths[verdict]}}  {rewrite}", "bold")
            yield Text(self._stack(*below), "bold")
        else:
            yield self._columns(show_header=True)
        # Proofs may have less room than they would take.
        beside = max(0, self._room - (self._sizes and self._sizes + GAP))
        width = self._console.width - (0 if self._stacked else beside)
        yield rule(self._console, width)

    def _stack(self, *cells: str) -> str:
        """Return the measured cells as a line of their own, where the width is short."""
        widths = list(self._widths.values())[-len(cells) :]
        return " " * INDENT + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()

    def _columns(self, *, show_header: bool = False) -> Table:
        table = Table(box=None, show_header=show_header, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))
        for header, width in self._widths.items():
            table.add_column(header, min_width=width, no_wrap=True)
        table.add_column(result_rows.SIZES if self._sizes else "", no_wrap=True)
        return table

    def _evidence(self, result: Result) -> Iterator[tuple[str, str]]:
        """Yield all evidence as (subject, text), with how errors are spread behind what was measured."""
        yield from result_rows.measured(result)
        if result.picture is not None and result.picture.spread is not None:
            options = self._console.options
            yield from spread_lines(result.picture.spread, ascii_only=options.ascii_only, width=self._console.width)
        yield from result_rows.concluded(result)

    def _remarks(self, result: Result) -> Iterator[tuple[str, str]]:
        """Yield what a reader must know besides the row, as (subject, text): the cause first."""
        if result.reasons:
            place = result_rows.place(result)
            where = f"{place}: " if place else ""
            yield from (("", f"{where}{reason}") for reason in result_rows.causes(result))
            yield from (("paste", line) for line in result_rows.suggestion(result))
        if result.map_solved and result.verdict is Verdict.EQUAL:
            yield "map" if result.one_to_one else "map, not one-to-one", result_rows.short_map(result)
        for note in result.notes:
            # What holds for a whole case is printed once.
            if note not in self._notes and note.kind in result_rows.NEVER_BEHIND:
                self._notes.add(note)
                yield "note", escape_line(str(note))
        if not result.ok:
            yield "again", escape_line(result.reproduce)

    def _line(self, subject: str, text: str) -> RenderableType:
        """Return text below its row, broken between words; a command stays one line, to be copied."""
        if not subject:
            return prose(Text(text), indent=INDENT)
        label = f"{subject:<10}  " if self._verbose else f"{subject}: "
        if subject in ("again", "paste"):
            return Verbatim(f"{'':{INDENT}}{label}{text}")
        line = Table.grid()
        line.add_column(no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(label, Text(text))
        return Padding(line, (0, 0, 0, INDENT), expand=False)


def _agreement(status: Agreement) -> str:
    return NOTHING if status is Agreement.NOT_APPLICABLE else status


def _exact(result: Result) -> str:
    """Say how the outputs agree on integers, or what stood in for them."""
    if result.error.max_abs is None or result.exact.status is not Agreement.NOT_APPLICABLE:
        return _agreement(result.exact.status)
    return "black-box" if result.evidence == "black-box" else "float64"


def _sizes(result: Result) -> str:
    """Return for which sizes a claim is proved, and no more than that where what is in the way is said below."""
    if result.sizes.status is SizesStatus.NOT_ASKED:
        return ""
    text = result_rows.sizes(result)
    return result.sizes.status if len(text) > _SIZES and _explains_sizes(result) else text


def _explains_sizes(result: Result) -> bool:
    return any(reason.kind is Kind.SIZES for reason in result.reasons)


def _remark(result: Result) -> Iterator[str]:
    """Yield what stands beside the row: how the candidate's parameters differ, and what had been expected."""
    reference, candidate = result.params.reference, result.params.candidate
    if candidate is not None and candidate != reference:
        yield f"params {format_count(reference)} -> {format_count(candidate)}"
    if result.ok and result.reasons:
        yield "as expected"
    if result.weaknesses:
        yield "weak"
