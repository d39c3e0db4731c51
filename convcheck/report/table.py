"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.report.grid import STYLES, Column, cell, grid, inert
from convcheck.report.wording import both, inputs, number, shape
from convcheck.results import Report, Result, Verdict

_VERIFY = (
    Column("case"),
    Column("rewrite"),
    Column("output"),
    Column("params"),
    Column("max abs error", number=True),
    Column("bound", number=True),
    Column("exact"),
    Column("gradients"),
    Column("verdict"),
)
_VERIFY_STACKS = ((0, 1), (2, 3), (4, 5), (6, 7), (8,))


def verified(report: Report, console: Console, *, verbose: bool, quiet: bool) -> Iterator[RenderableType]:
    """Yield the table of results, what needs saying about them, and the sum; if quiet, only what was not expected."""
    results = [result for result in report.results if not (quiet and result.ok)]
    if results:
        yield summary(results, console)
    for result in results:
        said = list(_details(result) if verbose else remarks(result))
        if said:
            yield Text("")
            where = f"  {inert(result.source)}" if result.source else ""
            heading = (f"{inert(result.case)} ", "bold"), f"[{result.rewrite}]  ", cell(result.verdict), where
            yield Text.assemble(*heading)
            yield from (Text(f"  {inert(line)}") for line in said)
    if results or not quiet or report.interrupted:
        yield Text("")
        yield _sum(report)


def summary(results: Sequence[Result], console: Console) -> RenderableType:
    """Return the table, with a row for every result."""
    return grid(_VERIFY, [_row(result) for result in results], console, _VERIFY_STACKS)


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.case,
        result.rewrite,
        shape(result.output_shape.reference),
        both(result.params),
        number(result.error.max_abs),
        number(result.error.bound),
        result.exact.status,
        result.gradients.status,
        result.verdict,
    )


def remarks(result: Result) -> Iterator[str]:
    """Yield what a reader must know besides the row."""
    if result.reason and (not result.ok or result.verdict is not Verdict.EQUAL):
        yield from result.reason.split("; ")
    yield from (f"note: {note}" for note in result.notes)
    if not result.ok:
        yield f"again: {result.reproduce}"


def _details(result: Result) -> Iterator[str]:
    """Yield everything that was found out."""
    yield f"layer       {result.layer}"
    yield f"input       {inputs(result.input)}  {result.dtype} on {result.device}, seed {result.seed}"
    for name, pattern in result.transplant.items():
        yield f"weights     {name}: {pattern}"
    if result.macs.reference is not None:
        yield f"MACs        {both(result.macs)}"
    if result.exact.probes:
        chance = result.exact.false_accept
        odds = f"; a wrong rewrite would pass with a probability of at most {chance:.1e}" if chance is not None else ""
        yield f"exact       {result.exact.status} on {result.exact.probes} probes{odds}"
        gradients = result.gradients
        yield f"gradients   input {gradients.input}, weight {gradients.weight}, bias {gradients.bias}"
    if result.error.at is not None:
        error = result.error
        yield (
            f"error       {number(error.max_abs)} at {shape(error.at)}, bound there {number(error.bound)}; largest "
            f"error / bound {number(error.ratio)}; {number(error.ulp)} ulp; relative {number(error.max_rel)}"
        )
    if result.referee.reference is not None:
        yield (
            f"referee     rms error against float64: reference {number(result.referee.reference)}, "
            f"candidate {number(result.referee.candidate)}"
        )
    if result.reason:
        yield from (f"because     {line}" for line in result.reason.split("; "))
    yield from (f"note        {note}" for note in result.notes)
    yield f"again       {result.reproduce}"


def _sum(report: Report) -> Text:
    counts = report.count()
    text = Text()
    for verdict in Verdict:
        if counts[verdict]:
            text.append(f"{counts[verdict]} {verdict}", style=STYLES[verdict])
            text.append(", ")
    seconds = sum(result.seconds for result in report.results)
    text.append(f"{counts['total']} in all, {seconds:.1f} s; ")
    if report.untried:
        why = "interrupted" if report.interrupted else "stopped"
        text.append(f"{why}, {report.untried} not tried; ", style="bold red")
    if report.ok:
        text.append("every verdict as expected", style="green")
    else:
        text.append(f"{counts['unexpected']} not as expected", style="bold red")
    return text
