"""The layers of a model and their rewrites, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.errors import escape_line
from convcheck.models.records import Check, LayerLine, ScanReport, Tried, write_place
from convcheck.report.blocks import GAP, INDENT, heading, row, rule, signed
from convcheck.report.format_values import NOTHING, format_count, format_inputs, format_number
from convcheck.report.plain_console import prose
from convcheck.report.tables.time_table import write_seconds

_JUDGED = ("verdict", "rewrite")
_TIMES = ("dtype", "ratio", "95 % interval", "before / after", "saved")
_NUMBERS = (1, 2, 3, 4)
"""Which of the times' columns are aligned right."""


def scan_tables(report: ScanReport, console: Console) -> Iterator[RenderableType]:
    """Yield a block for all layers that are alike, what is skipped and why, and what was swapped."""
    tried = [line for line in report.layers if line.rewrites]
    if tried:
        yield from _blocks(report, tried, console)
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


def _blocks(report: ScanReport, lines: Sequence[LayerLine], console: Console) -> Iterator[RenderableType]:
    """Yield headers, and a block for every line: its rewrites, their times in a row for every dtype, and reasons."""
    timed = [dtype for dtype in report.dtypes if any(dtype in one.bench for line in lines for one in line.rewrites)]
    headers = [Text(text, "bold") for text in (*_JUDGED, *(_TIMES if timed else ()))]
    blocks = [
        (line, [(one, [[Text(text) for text in cells] for cells in _times(line, one, timed)]) for one in line.rewrites])
        for line in lines
    ]
    judged = [[signed(console, one.verdict, ok=one.ok), Text(one.rewrite)] for line in lines for one in line.rewrites]
    times = [cells for _, rewrites in blocks for _, rows in rewrites for cells in rows]
    columns = [*zip(*judged, strict=True), *zip(*times, strict=True)]
    widths = [max(it.cell_len for it in (header, *column)) for header, column in zip(headers, columns, strict=True)]
    stacked = sum(widths) + GAP * (len(widths) - 1) > console.width

    def lay_out(first: Sequence[Text], rest: Sequence[Sequence[Text]]) -> Iterator[Text]:
        """Yield what was judged, and its times beside it, or below where the width is short."""
        if stacked or not rest:
            yield row(first, widths[:2])
            yield from (Text(" " * INDENT) + row(cells, widths[2:], numbers=_NUMBERS) for cells in rest)
            return
        for number, cells in enumerate(rest):
            yield row((*(first if number == 0 else [Text()] * 2), *cells), widths, numbers=[n + 2 for n in _NUMBERS])

    yield from lay_out(headers[:2], [headers[2:]] if timed else [])
    yield rule(console, min(sum(widths) + GAP * (len(widths) - 1), console.width))
    for number, (line, rewrites) in enumerate(blocks):
        if number:
            yield Text("")
        facts = f"{format_inputs(line.inputs)}   {format_count(line.params)} parameters"
        calls = f"{line.count} call{'' if line.count == 1 else 's'}"
        yield heading(console, escape_line(paths(line)), escape_line(line.layer), facts, calls)
        for one, rows in rewrites:
            yield from lay_out([signed(console, one.verdict, ok=one.ok), Text(one.rewrite)], rows)
            if one.reason and not one.ok:
                yield prose(Text(escape_line(one.reason)), indent=INDENT)


def _times(line: LayerLine, one: Tried, timed: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of every dtype that was timed."""
    for dtype in timed:
        gain = one.bench.get(dtype)
        if gain is None:
            yield (dtype, *[NOTHING] * 4)
            continue
        interval = f"{gain.low:.3g} to {gain.high:.3g}"
        before_after = f"{write_seconds(gain.reference)} / {write_seconds(gain.candidate)}"
        saved = line.count * gain.saved
        written = f"{'-' if saved < 0 else ''}{write_seconds(abs(saved))}"
        yield (dtype, f"{gain.ratio:.3g}", interval, before_after, written)


def _done(report: ScanReport) -> Iterator[str]:
    is_timed = any(one.bench for line in report.layers for one in line.rewrites)
    what = "swapped" if report.applied else "worth a swap" if is_timed else "would be swapped"
    for choice in report.chosen:
        names = ", ".join(map(write_place, choice.places))
        yield escape_line(f"{what}: {names} by {choice.rewrite}")
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
    counts = {
        "layer": sum(len(line.paths) for line in report.layers if line.rewrites and not line.merged),
        "chain": sum(len(line.paths) for line in report.layers if line.rewrites and line.merged),
    }
    listed = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
    skipped = sum(len(line.paths) for line in report.layers if not line.rewrites)
    wrong = sum(not one.ok for one in tried)
    parts = [
        f"{' and '.join(listed) or '0 layers'} with rewrites",
        f"{len(tried)} {'verdict' if len(tried) == 1 else 'verdicts'}",
    ]
    parts += [f"{wrong} not equal"] if wrong else ["all equal"] if tried else []
    parts += [f"{skipped} skipped"] if skipped else []
    return ", ".join(parts) + ("; interrupted" if report.interrupted else "")
