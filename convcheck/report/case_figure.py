"""The picture of one result: outputs of both sides and their difference, weights before and after, how errors lie."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcheck.errors import escape_line
from convcheck.report import output_panels
from convcheck.report.drawing import BLUE, GREY, RED, SIGNED, SMALL, VALUES, save
from convcheck.report.format_values import format_shape
from convcheck.results import Result
from convcheck.results.pictures import Histogram, WeightMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, TITLE, WEIGHT, HISTOGRAM = 9.0, 0.45, 2.2, 1.9
"""Inches of the whole, and of what lies below each other."""

LETTERS = 118
"""Of a title, on one line."""

LOWEST, HIGHEST = -8, 2
"""The half decades that a histogram has at least: a ten-thousandth of the bound, to ten times it."""

PALE = 0.65
"""How far the colours of the last rows of a weight go to white."""


def has_picture(result: Result) -> bool:
    """Tell whether there is something to draw of a result."""
    return result.picture is not None and result.picture.outputs is not None


def draw(result: Result, path: Path) -> None:
    """Draw a result that has a picture into a file, PNG or SVG by its suffix.

    Raises:
        UsageError: it cannot be written.
    """
    from matplotlib.figure import Figure

    picture = result.picture
    assert picture is not None
    outputs, spread = picture.outputs, picture.spread
    heights = [output_panels.height(outputs, WIDTH)] if outputs is not None else []
    heights += [WEIGHT] * len(picture.weights) + ([HISTOGRAM] if spread is not None else [])
    title = _title(result)
    top = TITLE + 0.17 * (title.count("\n") - 1)
    figure = Figure(figsize=(WIDTH, top + sum(heights)), layout="constrained")
    parts = iter(figure.subfigures(1 + len(heights), 1, height_ratios=[top, *heights], squeeze=False)[:, 0])
    next(parts).text(0.01, 0.5, title, va="center", size=SMALL + 1, parse_math=False)
    if outputs is not None:
        output_panels.draw(next(parts), outputs, result.output_shape)
    for weight in picture.weights:
        _draw_weight(next(parts), weight)
    if spread is not None:
        _draw_histogram(next(parts), spread.histogram)
    save(figure, path)


def _title(result: Result) -> str:
    """Return what was compared, and what came out, in short lines."""
    candidate = f"candidate: {result.candidate}" if result.candidate else f"rewrite: {result.rewrite}"
    lines = [
        f"{result.case}: {result.verdict}",
        f"reference: {result.layer}",
        f"{candidate}; {result.dtype} on {result.device}",
        *(f"because: {reason}" for reason in result.reasons[:1]),
    ]
    return "\n".join(part for line in lines for part in textwrap.wrap(escape_line(line), LETTERS)[:3])


def _draw_weight(part: Any, weight: WeightMap) -> None:
    from matplotlib.ticker import MaxNLocator

    before, after = part.subplots(2, 1)
    _label(part, _weight_title(weight))
    if weight.moved:
        _draw_moved(before, after, weight)
    else:
        _draw_values(part, before, after, weight)
    for axes, side, shape in zip((before, after), ("reference", "candidate"), weight.shapes, strict=True):
        axes.set_title(f"{side} {format_shape(shape)}", size=SMALL, loc="left", parse_math=False)
        axes.set_ylabel("row", size=SMALL)
        axes.tick_params(labelsize=SMALL - 1)
        axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    after.set_xlabel(_columns(weight), size=SMALL)


def _weight_title(weight: WeightMap) -> str:
    head = f"Weights: {weight.target} is made of {weight.source}: {weight.pattern}"
    said = "values, since entries are computed and not only moved"
    if weight.moved:
        said = "the same colour is the same entry: dark to bright along a row of the reference's, paler from row to row"
        said += "; grey: 0" if any(math.isnan(entry) for row in weight.after for entry in row) else ""
    return "\n".join([*textwrap.wrap(escape_line(head), LETTERS)[:2], said])


def _columns(weight: WeightMap) -> str:
    """Say how much of a weight is shown; the first axis lies along rows, all others along columns."""
    texts = []
    for side, shape, grid in zip(("reference", "candidate"), weight.shapes, (weight.before, weight.after), strict=True):
        rows = shape[0] if len(shape) > 1 else 1
        columns = math.prod(shape[1:] if len(shape) > 1 else shape)
        texts.append(f"{side}: {len(grid)} of {rows} rows, {len(grid[0]) if grid else 0} of {columns} columns")
    return f"column (all axes but the first); shown of the {'; of the '.join(texts)}"


def _draw_moved(before: Axes, after: Axes, weight: WeightMap) -> None:
    """Draw entries by where they stand in the reference's weight: colour along a row, paler from row to row."""
    import numpy as np
    from matplotlib import colormaps

    shape = weight.shapes[0]
    length = max(1, math.prod(shape[1:] if len(shape) > 1 else shape))
    grids = [np.array(grid, dtype=float) for grid in (weight.before, weight.after)]
    rows = [np.floor(grid / length) for grid in grids]
    last = max(1.0, *(float(np.nanmax(row)) for row in rows if np.isfinite(row).any()))
    for axes, grid, row in zip((before, after), grids, rows, strict=True):
        known = np.isfinite(grid)
        place = (np.where(known, grid, 0) % length) / max(1, length - 1)
        colours = colormaps[VALUES](place)[..., :3]
        pale = (PALE * np.where(known, row, 0) / last)[..., None]
        colours = np.where(known[..., None], colours + (1 - colours) * pale, _rgb(GREY))
        axes.imshow(colours, aspect="auto", interpolation="nearest")


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return red, green, blue


def _draw_values(part: Any, before: Axes, after: Axes, weight: WeightMap) -> None:
    import numpy as np

    grids = [np.array(grid, dtype=float) for grid in (weight.before, weight.after)]
    most = output_panels.largest(*grids)
    for axes, grid in zip((before, after), grids, strict=True):
        image = axes.imshow(grid, aspect="auto", interpolation="nearest", cmap=SIGNED, vmin=-most, vmax=most)
    part.colorbar(image, ax=[before, after], fraction=0.03, pad=0.01).ax.tick_params(labelsize=SMALL - 1)


def _draw_histogram(part: Any, histogram: Histogram) -> None:
    """Draw how many outputs have which error / bound, both by powers of ten; 1 is marked."""
    axes = part.subplots()
    first = min([LOWEST, *histogram.halves]) - 2
    last = max([HIGHEST, *histogram.halves])
    bars = {first: histogram.zeros, **histogram.halves}
    if histogram.endless:
        last += 2
        bars[last] = histogram.endless
    for number, count in bars.items():
        beyond = number > 0
        axes.bar(number - 0.5, count, 0.9, color=RED if beyond else BLUE, hatch="///" if beyond else None, ec="white")
    axes.axvline(0, color="black", linewidth=1)
    axes.annotate("1: the bound ", (0, 1), xycoords=("data", "axes fraction"), va="top", ha="right", size=SMALL)
    axes.set_yscale("log")
    axes.set_ylim(0.6, 2 * max([1, *bars.values()]))
    step = max(2, 2 * round((last - first) / 20))
    decades = [number for number in range(first + 2, last + 1) if number % step == 0]
    ticks = [(first - 0.5, "exactly\n0"), *((number, f"$10^{{{number // 2}}}$") for number in decades)]
    if histogram.endless:
        ticks = [tick for tick in ticks if tick[0] < last - 1] + [(last - 0.5, "not\nfinite")]
    axes.set_xticks([place for place, _ in ticks], [text for _, text in ticks], size=SMALL)
    axes.set_xlim(first - 1.2, last + 0.2)
    axes.tick_params(axis="y", labelsize=SMALL - 1)
    axes.set_xlabel("error / bound", size=SMALL)
    axes.set_ylabel("outputs", size=SMALL)
    many = f"{histogram.beyond:,}" if histogram.beyond else "none"
    _label(part, f"Error of all {histogram.entries:,} outputs in units of the bound: {many} beyond it")


def _label(part: Any, text: str) -> None:
    part.suptitle(text, x=0.01, ha="left", size=SMALL + 1, parse_math=False)
