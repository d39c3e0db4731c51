"""The contents of every report: columns, cells, remarks, evidence and the sum. A format only lays them out.

All texts are one line without control characters, whatever a config's names hold; a format escapes its own markup.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from convcheck.errors import escape_line
from convcheck.report import sizes_words
from convcheck.report.format_values import NOTHING, format_inputs, format_number, format_shape, format_sides
from convcheck.results import Kind, Report, Result, SizesStatus, Verdict

HEADERS = ("case", "rewrite", "output", "params", "max abs error", "bound", "exact", "gradients", "verdict")
"""One for every cell of a row."""

SIZES = "sizes"
"""The header before the verdict, where a proof for all sizes was asked for."""

NUMBERS = frozenset({"max abs error", "bound"})
"""The headers of measured numbers, which are aligned right."""

NEVER_BEHIND = frozenset({Kind.HELD_WEIGHTS, Kind.WEIGHTS, Kind.ROUNDING, Kind.STRENGTH})
"""The notes that change what an `equal` is worth; a short report has no others."""


MOST_TENSORS = 12
"""How many tensors a short report names that are not the mapped ones."""

MOST_SOURCES = 3
"""How many parameters' sources it names of a map that was found."""


def headers(report: Report) -> tuple[str, ...]:
    """Return the headers of a report's columns."""
    asked = any(result.sizes.status is not SizesStatus.NOT_ASKED for result in report.results)
    return (*HEADERS[:-1], SIZES, HEADERS[-1]) if asked else HEADERS


def cells(result: Result, headers: Iterable[str] = HEADERS) -> tuple[str, ...]:
    """Return the row of a result."""
    row = {
        "case": escape_line(result.case),
        "rewrite": rewrite(result),
        "output": format_shape(result.output_shape.reference),
        "params": format_sides(result.params),
        "max abs error": format_number(result.error.max_abs),
        "bound": format_number(result.error.bound),
        "exact": result.exact.status,
        "gradients": result.gradients.status,
        SIZES: sizes(result),
        "verdict": result.verdict,
    }
    return tuple(row[header] for header in headers)


def sizes(result: Result) -> str:
    """Return for which sizes a claim is proved, in a few words."""
    words = "" if result.verdict is Verdict.REFUSED else sizes_words.in_few_words(result.sizes)
    return escape_line(words) or NOTHING


def rewrite(result: Result) -> str:
    """Return the name of the rewrite, or what stands for a candidate of the user's own."""
    return result.rewrite or "candidate"


def title(result: Result) -> str:
    """Return what `--list` calls a result."""
    return escape_line(result.title)


def place(result: Result) -> str:
    """Return `file:line` of what is to be looked at; empty for a layer on the command line."""
    return escape_line(result.place or result.source or "")


def source_line(result: Result) -> tuple[str, int] | None:
    """Return the config and the line of what is to be looked at; None for a layer on the command line."""
    file, _, line = place(result).rpartition(":")
    return (file, int(line)) if file else None


def reasons(result: Result) -> list[str]:
    """Return why a verdict is as it is, one reason each."""
    return [escape_line(str(reason)) for reason in result.reasons]


def causes(result: Result) -> list[str]:
    """Return why a verdict is as it is: of a difference the wrong layouts, or its first cause and line; else all."""
    found = [reason for reason in result.reasons if reason.kind is not Kind.EXPECTATION]
    if result.verdict is Verdict.DIFFERENT:
        places = [reason for reason in found[1:] if reason.kind in (Kind.LOCATION, Kind.SIZES)]
        held = [reason for reason in found if reason.kind is Kind.HELD_WEIGHTS]
        if held and held == found[: len(held)]:
            more = [f"{len(held) - MOST_TENSORS} more tensors are not the mapped ones; -v lists them"]
            texts = [*map(str, held[:MOST_TENSORS]), *(more if len(held) > MOST_TENSORS else [])]
            return [*map(escape_line, texts), *_missed(result)]
        found = [reason for reason in found if reason.kind is Kind.LAYOUT] or [*found[:1], *places]
    return [*(escape_line(str(reason)) for reason in found), *_missed(result)]


def _missed(result: Result) -> list[str]:
    return [escape_line(str(reason)) for reason in result.reasons if reason.kind is Kind.EXPECTATION]


def short(result: Result) -> Iterator[str]:
    """Yield what a reader must know of a result that is not as expected, in the fewest lines: the cause first."""
    yield from causes(result)
    yield from (f"paste: {line}" for line in suggestion(result))
    yield from (f"note: {escape_line(str(note))}" for note in result.notes if note.kind in NEVER_BEHIND)
    yield f"again: {escape_line(result.reproduce)}"


def remarks(result: Result) -> Iterator[str]:
    """Yield what a reader must know besides the row."""
    if result.reasons:
        yield from reasons(result)
        yield from (f"paste: {line}" for line in suggestion(result))
    yield from (f"note: {escape_line(str(note))}" for note in result.notes)
    if not result.ok:
        yield f"again: {escape_line(result.reproduce)}"


def evidence(result: Result) -> Iterator[tuple[str, str]]:
    """Yield all evidence as (subject, text): what was measured, and what follows."""
    yield from measured(result)
    yield from concluded(result)


def measured(result: Result) -> Iterator[tuple[str, str]]:
    """Yield what was compared, and what came out, as (subject, text)."""
    return ((subject, escape_line(text)) for subject, text in _measured(result))


def concluded(result: Result) -> Iterator[tuple[str, str]]:
    """Yield what follows from that, as (subject, text)."""
    return ((subject, escape_line(text)) for subject, text in _concluded(result))


def suggestion(result: Result) -> Iterator[str]:
    """Yield the transplant, the map or the layout that matches, if one was found, as the user made the claim.

    That is an argument in Python, options on a command line, and else a line of YAML.
    """
    layout, entries = result.suggested_layout, {name: escape_line(text) for name, text in result.suggestions.items()}
    key = "map" if result.candidate else "transplant"
    if result.in_python:
        yield from [f"layout={layout!r}"] if layout else []
        yield from [f"{key}={entries}"] if entries else []
    elif result.candidate and result.source is None:
        yield from [shlex.join(["--layout", escape_line(layout)])] if layout else []
        options = (word for name, text in entries.items() for word in ("--map", f"{name}={text}"))
        yield from [shlex.join(options)] if entries else []
    else:
        yield from [f'layout: "{escape_line(layout)}"'] if layout else []
        yaml = ", ".join(f'{name}: "{text}"' for name, text in entries.items())
        yield from [f"{key}: {{{yaml}}}"] if entries else []


def short_map(result: Result) -> str:
    """Return where the candidate's parameters come from: of the first ones, in a line."""
    sources = [f"{name} = {source}" for name, source in (result.map or {}).items()]
    more = len(sources) - MOST_SOURCES
    shown = [*sources[:MOST_SOURCES], *([f"and {more} more; -v shows all"] if more > 0 else [])]
    return escape_line("; ".join(shown))


def _measured(result: Result) -> Iterator[tuple[str, str]]:
    yield "reference" if result.candidate else "layer", result.layer
    if result.candidate:
        yield "candidate", result.candidate
    yield "input", f"{format_inputs(result.input)}  {result.dtype} on {result.device}, seed {result.seed}"
    if result.map:
        yield from (("map", f"{name} = {source}") for name, source in result.map.items())
    else:
        yield from (("weights", f"{name}: {pattern}") for name, pattern in result.transplant.items())
    if result.layout:
        yield "layout", result.layout
    if result.macs.reference is not None:
        yield "MACs", format_sides(result.macs)
    if result.exact.probes:
        chance = result.exact.false_accept
        odds = f"; a wrong rewrite would pass with a probability of at most {chance:.1e}" if chance is not None else ""
        probes = f"{result.exact.probes} probe{'' if result.exact.probes == 1 else 's'}"
        yield "exact", f"{result.exact.status} on {probes}{odds}"
        gradients = result.gradients
        yield "gradients", f"input {gradients.input}, weight {gradients.weight}, bias {gradients.bias}"
    yield from sizes_words.in_full(result.sizes)
    error = result.error
    if error.max_abs == 0 and error.bound is not None:
        yield "error", f"0 everywhere; bound {format_number(error.bound)}"
    elif error.at is not None:
        yield (
            "error",
            f"{format_number(error.max_abs)} at {format_shape(error.at)}, bound there {format_number(error.bound)}; "
            f"largest error / bound {format_number(error.ratio)}; {format_number(error.ulp)} ulp; "
            f"relative {format_number(error.max_rel)}",
        )
    if result.referee.reference is not None:
        yield (
            "referee",
            f"rms error against float64: reference {format_number(result.referee.reference)}, "
            f"candidate {format_number(result.referee.candidate)}",
        )


def _concluded(result: Result) -> Iterator[tuple[str, str]]:
    if result.figure:
        yield "figure", result.figure
    if result.place:
        yield "place", result.place
    yield from (("because", reason) for reason in reasons(result))
    yield from (("paste", line) for line in suggestion(result))
    yield from (("note", str(note)) for note in result.notes)
    yield "again", result.reproduce


def total(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the sum in pieces, each with the verdict that colours it, if one does."""
    counts = report.count()
    for verdict in Verdict:
        if counts[verdict]:
            yield f"{counts[verdict]} {verdict}", verdict
            yield ", ", ""
    proved = sum(result.sizes.status is SizesStatus.PROVED for result in report.results)
    for_all = f"{proved} for all sizes, " if SIZES in headers(report) else ""
    yield f"{counts['total']} in all, {for_all}{report.seconds:.1f} s; ", ""
    if stopped := cut_short(report):
        yield stopped, Verdict.DIFFERENT
        yield from [("; ", "")] if report.results else []
    if report.ok:
        yield all_well(report), Verdict.EQUAL
    elif counts["unexpected"] or not report.interrupted:
        yield f"{counts['unexpected']} not as expected", Verdict.DIFFERENT
    elif report.results:
        yield "the others as expected", Verdict.EQUAL


def total_text(report: Report) -> str:
    """Return the sum as one line of text."""
    return "".join(text for text, _ in total(report))


def cut_short(report: Report) -> str:
    """Return how a run ended before its end, and how much of it is missing; nothing of one that was finished."""
    how = "interrupted" if report.interrupted else "stopped" if report.untried else ""
    return how and f"{how}, {report.untried} not tried"


def all_well(report: Report) -> str:
    """Return the sum of a run in which nothing is amiss."""
    return "every verdict as expected" if report.results else "nothing to try"


def made_with(report: Report) -> str:
    """Return the versions and the machine that the results were obtained with."""
    tool = report.tool
    threads = f"{tool.threads} thread{'' if tool.threads == 1 else 's'}"
    # A run of nothing is on no device.
    where = (f"on {tool.device}",) if tool.device else ()
    return ", ".join((f"convcheck {tool.convcheck}", f"torch {tool.torch}", f"Python {tool.python}", *where, threads))
