"""What both sides of claims take, as a table."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.text import Text

from convcheck.errors import escape_line
from convcheck.report.format_values import NOTHING, format_bytes
from convcheck.report.grid import Column, grid
from convcheck.report.plain_console import Verbatim, prose
from convcheck.timing.comparison import Benchmark, Comparison, Cost, NotTimed

_WAYS = ("dtype", "threads", "pass")
_COLUMNS = (
    Column("case"),
    Column("rewrite"),
    *map(Column, _WAYS),
    Column("candidate is"),
    *(Column(header, number=True) for header in ("ratio", "95 % interval")),
    *(Column(header, number=True) for header in ("reference", "candidate", "cold", "GFLOP/s", "GB/s", "memory")),
)
_NAMES, _JUDGED = ("case", "rewrite", *_WAYS), ("candidate is", "ratio", "95 % interval")
_SECONDS, _RATES = ("reference", "candidate", "cold"), ("GFLOP/s", "GB/s", "memory")

# Which columns share a cell where the width is short, and where it is shorter.
_STACKS = ((_NAMES, _JUDGED, _SECONDS, _RATES), (_NAMES, _JUDGED, (*_SECONDS, *_RATES)))

_LEGEND = (
    "ratio: reference / candidate, above 1 where the candidate is faster; behind it the time of a call, half of the "
    "rounds within ±; of both sides the first call, and the most memory beside inputs and weights"
)


def time_tables(benchmark: Benchmark, console: Console) -> Iterator[RenderableType]:
    """Yield a line a comparison, what was not timed and why, and the sum."""
    rows = [dict(_cells(comparison)) for comparison in benchmark.comparisons]
    if rows:
        # What all of them have in common stands below.
        common = {name: rows[0][name] for name in _WAYS if len({row[name] for row in rows}) == 1}
        columns = [column for column in _COLUMNS if column.header not in common]
        places = {column.header: index for index, column in enumerate(columns)}
        stacks = [[[places[name] for name in stack if name in places] for stack in layout] for layout in _STACKS]
        yield grid(columns, [[row[name] for name in places] for row in rows], console, *stacks)
        yield Text("")
        yield Text(", ".join([*(_way(name, text) for name, text in common.items()), *_machine(benchmark)]))
        yield Text(_LEGEND)
    for one in benchmark.not_timed:
        yield from _refusal(one)
    yield Text("")
    yield Text(_total(benchmark))


def _cells(comparison: Comparison) -> Iterator[tuple[str, str]]:
    reference, candidate, ratio = comparison.reference, comparison.candidate, comparison.ratio
    yield "case", comparison.case
    yield "rewrite", comparison.rewrite or NOTHING
    yield "dtype", comparison.dtype
    yield "threads", str(comparison.threads)
    yield "pass", comparison.direction
    yield "candidate is", comparison.said
    yield "ratio", f"{ratio.median:.3g}"
    yield "95 % interval", f"{ratio.low:.3g} to {ratio.high:.3g}"
    yield "reference", _seconds(reference)
    yield "candidate", _seconds(candidate)
    yield "cold", f"{write_seconds(reference.cold)} / {write_seconds(candidate.cold)}"
    yield "GFLOP/s", _both(reference.gflops, candidate.gflops)
    yield "GB/s", _both(reference.gb_per_s, candidate.gb_per_s)
    yield "memory", f"{format_bytes(reference.peak_bytes)} / {format_bytes(candidate.peak_bytes)}"


def _seconds(cost: Cost) -> str:
    """Write the median, and how far the quartiles are apart, as a share of it."""
    return f"{write_seconds(cost.median)} ±{50 * (cost.high - cost.low) / cost.median:.0f} %"


def write_seconds(seconds: float) -> str:
    """Write a duration with three digits, in the largest unit of which it is one at least."""
    scale, unit = next(((10**n, unit) for n, unit in ((0, "s"), (3, "ms")) if seconds * 10**n >= 1), (10**6, "µs"))
    return f"{seconds * scale:.3g} {unit}" if seconds * scale < 100 else f"{seconds * scale:.0f} {unit}"


def _both(reference: float | None, candidate: float | None) -> str:
    words = [
        NOTHING if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"
        for value in (reference, candidate)
    ]
    return NOTHING if set(words) == {NOTHING} else " / ".join(words)


def _way(name: str, text: str) -> str:
    return (
        text
        if name == "dtype"
        else f"{text} {'thread' if text == '1' else 'threads'}"
        if name == "threads"
        else f"{text} pass"
    )


def _machine(benchmark: Benchmark) -> Iterator[str]:
    if any(comparison.channels_last for comparison in benchmark.comparisons):
        yield "channels last"
    if any(comparison.compile for comparison in benchmark.comparisons):
        yield "compiled"
    tool = benchmark.tool
    yield f"on {tool.device}"
    yield f"torch {tool.torch}"


def _refusal(one: NotTimed) -> Iterator[RenderableType]:
    name = f"{one.case}[{one.rewrite}]" if one.rewrite else one.case
    yield Text(escape_line(f"not timed: {name} in {one.dtype}: {one.verdict}"), "bold")
    if one.reason:
        yield prose(Text(escape_line(one.reason)), indent=4)
    yield Verbatim(f"    again: {escape_line(one.reproduce)}")


def _total(benchmark: Benchmark) -> str:
    total, *words = benchmark.count().items()
    noun = "comparison" if total[1] == 1 else "comparisons"
    parts = ", ".join(f"{count} {name}" for name, count in words if count)
    cut = f"; interrupted, {benchmark.untried} claims untried" if benchmark.interrupted else ""
    return f"{total[1]} {noun}{': ' if parts else ''}{parts}{cut}"
