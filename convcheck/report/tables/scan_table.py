"""The layers of a model and their rewrites, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.errors import escape_line
from convcheck.models.records import Check, LayerLine, ScanReport, Tried, write_place
from convcheck.report.format_values import NOTHING, format_count, format_inputs, format_number
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import prose
from convcheck.report.tables.time_table import write_seconds

_LAYER = ("paths", "layer", "input", "calls", "parameters")


def scan_tables(report: ScanReport, console: Console) -> Iterator[RenderableType]:
    """Yield a row for every rewrite of layers that are alike, what is skipped and why, and what was swapped."""
    tried = [line for line in report.layers if line.rewrites]
    if tried:
        yield _grid(report, tried, console)
    for line in report.layers:
        for one in line.rewrites:
            if one.reason and not one.ok:
                yield prose(Text(escape_line(f"{paths(line)}: {one.rewrite}: {one.reason}")), indent=0)
    skipped: dict[str, list[LayerLine]] = {}
    for line in report.layers:
        if line.skipped:
            skipped.setdefault(line.skipped, []).append(line)
    for reason, lines in skipped.items():
        yield Text("")
        yield Text(f"skipped: {escape_line(reason)}")
        for line in lines:
            yield prose(Text(escape_line(f"{paths(line)}  {line.layer}")), indent=4)
    for line in report.layers:
        if line.by_hand and any(one.ok for one in line.rewrites):
            yield prose(Text(escape_line(f"by hand: {paths(line)}: {line.by_hand}")), indent=0)
    yield Text("")
    if report.left_out:
        yield prose(
            Text(f"left out, since they take far more work: {', '.join(report.left_out)}; try them with -r"), indent=0
        )
    for note in report.notes:
        yield prose(Text(escape_line(f"note: {note}")), indent=0)
    yield from (Text(text) for text in _done(report))
    yield Text(_total(report))


def paths(line: LayerLine) -> str:
    """Return the paths of layers that are alike as one pattern where they have one, such as `blocks.*.fc (12)`."""
    written = [write_place(place) for place in line.places]
    if len(written) == 1:
        return written[0] or "(the model)"
    patterns = {re.sub(r"(?<![^.\s])\d+(?![^.\s])", "*", path) for path in written}
    if len(patterns) == 1:
        return f"{patterns.pop()} ({len(written)})"
    return f"{', '.join(sorted(patterns))} ({len(written)})"


def _grid(report: ScanReport, lines: Sequence[LayerLine], console: Console) -> RenderableType:
    timed = [dtype for dtype in report.dtypes if any(dtype in one.bench for line in lines for one in line.rewrites)]
    columns = [
        Column("paths", wraps=True),
        Column("layer", wraps=True),
        Column("input"),
        Column("calls", number=True),
        Column("parameters", number=True),
        Column("rewrite"),
        Column("verdict"),
    ]
    for dtype in timed:
        columns += [Column(f"{dtype} ratio", number=True), Column("95 % interval", number=True)]
        columns += [Column("before / after", number=True), Column("saved", number=True)]
    rows = [list(_cells(line, one, timed, number == 0)) for line in lines for number, one in enumerate(line.rewrites)]
    first, judged = list(range(len(_LAYER))), [5, 6]
    times = [list(range(7 + 4 * number, 11 + 4 * number)) for number in range(len(timed))]
    layouts = [
        [first, judged, *times],
        [[*first, *judged], *times],
        [[*first, *judged, *(place for stack in times for place in stack)]],
    ]
    return grid(columns, rows, console, *layouts)


def _cells(line: LayerLine, one: Tried, timed: Sequence[str], first: bool) -> Iterator[str]:
    known = (paths(line), line.layer, format_inputs(line.inputs), str(line.count), format_count(line.params))
    yield from known if first else [""] * len(_LAYER)
    yield one.rewrite
    yield str(one.verdict)
    for dtype in timed:
        gain = one.bench.get(dtype)
        if gain is None:
            yield from [NOTHING] * 4
            continue
        yield f"{gain.ratio:.3g}"
        yield f"{gain.low:.3g} to {gain.high:.3g}"
        yield f"{write_seconds(gain.reference)} / {write_seconds(gain.candidate)}"
        saved = line.count * gain.saved
        yield f"{'-' if saved < 0 else ''}{write_seconds(abs(saved))}"


def _done(report: ScanReport) -> Iterator[str]:
    for choice in report.chosen:
        names = ", ".join(map(write_place, choice.places))
        yield escape_line(f"{'swapped' if report.applied else 'worth a swap'}: {names} by {choice.rewrite}")
    for dtype, whole in report.whole.items():
        yield (
            f"whole model in {dtype}: {write_seconds(whole.before)} before, {write_seconds(whole.after)} after "
            f"(foretold: {write_seconds(whole.foretold)}), ratio {whole.ratio:.3g}, {whole.low:.3g} to {whole.high:.3g}"
        )
    if report.check is not None:
        yield escape_line(_check(report.check))
    if report.files is not None:
        files = report.files
        written = (files.weights, files.code, files.config, files.before)
        yield escape_line(f"written: {', '.join(name for name in written if name)}")


def _check(check: Check) -> str:
    text = f"whole model after the swap: {check.status}"
    if check.max_abs is not None and check.status != "identical":
        text += f", outputs {format_number(check.max_abs)} apart, where rounding explains {format_number(check.bound)}"
    if check.max_abs_float64 is not None:
        text += (
            f"; in float64 {format_number(check.max_abs_float64)}, where it explains "
            f"{format_number(check.bound_float64)}"
        )
    if check.argmax_agree is not None:
        text += f"; argmax agrees in {100 * check.argmax_agree:.4g} % of rows, the top 5 in "
        text += f"{100 * (check.top_k_agree or 0):.4g} %"
    return f"{text}; {check.reason}" if check.reason else text


def _total(report: ScanReport) -> str:
    tried = [one for line in report.layers for one in line.rewrites]
    layers = sum(len(line.paths) for line in report.layers if line.rewrites)
    skipped = sum(len(line.paths) for line in report.layers if not line.rewrites)
    wrong = sum(not one.ok for one in tried)
    parts = [
        f"{layers} {'layer' if layers == 1 else 'layers'} with rewrites",
        f"{len(tried)} {'verdict' if len(tried) == 1 else 'verdicts'}",
    ]
    parts += [f"{wrong} not equal"] if wrong else ["all equal"] if tried else []
    parts += [f"{skipped} skipped"] if skipped else []
    return ", ".join(parts) + ("; interrupted" if report.interrupted else "")
