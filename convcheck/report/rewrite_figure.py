"""The picture of a rewrite: where entries of a small input, its weight and its output lie on either side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from convcheck.report.drawing import GREY, VALUES, save
from convcheck.report.format_values import format_shape
from convcheck.results.pictures import RewriteMaps, Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL, GAP, WIDTH, MARGIN = 0.22, 0.35, 8.6, 0.15
"""Inches: of a cell, between sheets, of all, and around it."""

LINE = 0.15
"""Inches that a line of text takes."""

TEXT, NUMBERS = 8, 5.5
"""Sizes of letters."""

LETTERS_AN_INCH = 15
LETTERS = 125

NARROWEST = 1.9
"""Inches of a sheet at least, so that its title has room."""

THIN, THICK = 0.4, 3.0
"""Widths of lines between cells, and between matrices."""

BRIGHT = 0.5
"""The brightness from which on numbers are black."""


class _Block(NamedTuple):
    """Lines of text, or a sheet, with the inches from left and top, and those that it takes."""

    content: str | Sheet
    left: float
    top: float


def draw(maps: RewriteMaps, path: Path) -> None:
    """Draw a rewrite into a file, PNG or SVG by its suffix. Raises UsageError if it cannot be written."""
    from matplotlib.figure import Figure

    blocks, height = _laid_out(maps)
    figure = Figure(figsize=(WIDTH, height))
    for block in blocks:
        if isinstance(block.content, Sheet):
            _draw_sheet(figure, block.content, block.left, block.top, height)
        else:
            place = (block.left / WIDTH, 1 - block.top / height)
            figure.text(*place, block.content, va="top", size=TEXT, parse_math=False, linespacing=1.25)
    save(figure, path, dpi=100)


def _laid_out(maps: RewriteMaps) -> tuple[list[_Block], float]:
    """Return texts and sheets with their places, and how high all of it is, in inches."""
    blocks: list[_Block] = []
    top = MARGIN
    for text, sheets in _parts(maps):
        lines = "\n".join(part for line in text.split("\n") for part in textwrap.wrap(line, LETTERS))
        blocks.append(_Block(lines, MARGIN, top))
        top += LINE * (lines.count("\n") + 1) + 0.08
        left, lowest = MARGIN, top
        for sheet in sheets:
            width = max(NARROWEST, len(sheet.numbers[0]) * CELL)
            if left + width > WIDTH - MARGIN and left > MARGIN:
                left, top = MARGIN, lowest + 0.1
            title = "\n".join(textwrap.wrap(_title(sheet), int(width * LETTERS_AN_INCH)))
            blocks.append(_Block(title, left, top))
            below = top + LINE * (title.count("\n") + 1) + 0.03
            blocks.append(_Block(sheet, left, below))
            lowest = max(lowest, below + len(sheet.numbers) * CELL)
            left += width + GAP
        top = lowest + (0.2 if sheets else 0.05)
    return blocks, top


def _parts(maps: RewriteMaps) -> Iterator[tuple[str, Sequence[Sheet]]]:
    """Yield texts, each with the sheets below it."""
    yield f"{maps.name}: {maps.claim}\nThe candidate: {maps.summary}. Here of {maps.layer} {maps.inputs}", ()
    if maps.after:
        more = f"; {maps.left_out} more are not shown" if maps.left_out else ""
        yield (
            f"Equal numbers are the same entry of the input, coloured by {maps.colour}; "
            f"grey: a zero, or what is not read{more}",
            (*maps.before, *maps.after),
        )
    else:
        rest = "" if maps.weights or maps.results else " So are weights and the output: sums are made in another way."
        yield f"The input is taken as it is.{rest}", maps.before
    if maps.weights:
        numbered = any(number for row in maps.weights[0].numbers for number in row)
        yield (
            "Equal numbers are the same entry of the weight; grey: a zero"
            if numbered
            else "Weights are computed of those of the layer; the brighter, the larger",
            maps.weights,
        )
    if maps.results:
        yield "Equal numbers are the same entry of what is computed last, which becomes the output", maps.results


def _title(sheet: Sheet) -> str:
    """Return what a sheet shows, and whether that is all of it."""
    cells = sum(map(len, sheet.numbers))
    part = "" if cells == math.prod(sheet.shape) else ", its first rows and columns"
    return f"{sheet.title} {format_shape(sheet.shape)}{part}"


def _draw_sheet(figure: Figure, sheet: Sheet, left: float, top: float, height: float) -> None:
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    values = np.array(sheet.colours, dtype=float)
    rows, columns = values.shape
    bottom = height - top - rows * CELL
    axes = figure.add_axes((left / WIDTH, bottom / height, columns * CELL / WIDTH, rows * CELL / height))
    known = np.isfinite(values)
    colours = np.where(known[..., None], colormaps[VALUES](np.where(known, values, 0))[..., :3], to_rgb(GREY))
    axes.imshow(colours, aspect="auto", interpolation="nearest")
    for row, numbers in enumerate(sheet.numbers):
        for column, number in enumerate(numbers):
            if number:
                _write(axes, number, row, column, colours[row, column])
    for line in range(1, columns):
        axes.axvline(line - 0.5, color="white", linewidth=THICK if _parts_matrices(line, sheet.matrix, 1) else THIN)
    for line in range(1, rows):
        axes.axhline(line - 0.5, color="white", linewidth=THICK if _parts_matrices(line, sheet.matrix, 0) else THIN)
    axes.set_axis_off()


def _parts_matrices(line: int, matrix: tuple[int, int], axis: int) -> bool:
    """Tell whether a line lies between two matrices; those of one number have none."""
    return matrix != (1, 1) and line % matrix[axis] == 0


def _write(axes: Any, number: int, row: int, column: int, colour: Any) -> None:
    brightness = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    ink = "black" if brightness > BRIGHT else "white"
    axes.text(column, row, str(number), size=NUMBERS, ha="center", va="center", color=ink)
