"""The ratios of a benchmark as bars with their intervals. Imports matplotlib, which is an extra, where it draws."""

from __future__ import annotations

from pathlib import Path

from convcheck.errors import escape_line
from convcheck.report.drawing import save
from convcheck.timing.comparison import Benchmark, Comparison

NAME = "bench.png"

_INCHES_A_BAR, _INCHES_AROUND, _WIDTH = 0.5, 1.2, 9.0

_COLOURS = {"faster": "tab:green", "slower": "tab:red", "no difference": "tab:gray"}


def draw(benchmark: Benchmark, folder: Path) -> None:
    """Draw all ratios into a file of the folder; where there is none, nothing.

    Raises:
        UsageError: it cannot be written.
    """
    rows = benchmark.comparisons
    if not rows:
        return
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(_WIDTH, _INCHES_AROUND + _INCHES_A_BAR * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        ratio = row.ratio
        # A bar begins at 1, where both sides take as long.
        axes.barh(place, ratio.median - 1, left=1, color=_COLOURS[row.said])
        axes.plot([ratio.low, ratio.high], [place, place], color="black", marker="|")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    # Names are no formulas.
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("time of the reference / time of the candidate")
    axes.set_title("95 % intervals; beyond 1 the candidate is faster", fontsize="medium")
    save(figure, folder / NAME, dpi=150)


def _label(row: Comparison) -> str:
    name = f"{row.case} {row.rewrite or ''}".strip()
    threads = f"{row.threads} thread{'' if row.threads == 1 else 's'}"
    return f"{escape_line(name)}\n{row.dtype}, {threads}, {row.direction}"
