"""The outputs of both sides and their difference: a column a channel; images, or lines where there is one row."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from convcheck.report.drawing import BLUE, RED, SIGNED, SMALL, VALUES
from convcheck.report.format_values import format_shape
from convcheck.results import Sides
from convcheck.results.pictures import Grid, OutputMap, Outputs
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST, HIGHEST, LINES, AROUND = 0.6, 1.6, 0.75, 0.75
"""Inches: of an image at least and at most, of a row of lines, and what titles take."""

WIDEST = 6
"""How many times wider an image is than high, or the reverse, before its pixels are no squares; nor are those of one
image alone, which takes all the width."""


def height(outputs: Outputs, width: float) -> float:
    """Return how many inches the panels take, all in all."""
    rows = 1 + any(one.candidate is not None for one in outputs.maps) + _compared(outputs)
    return AROUND + rows * (_panel_height(outputs, width) + 0.12)


def draw(part: Any, outputs: Outputs, shapes: Sides[Shape | None]) -> None:
    """Draw a row of panels for each side, and one for the difference, which has its own scale."""
    named: list[tuple[str, list[Grid | None]]] = [("reference", [one.reference for one in outputs.maps])]
    if any(one.candidate is not None for one in outputs.maps):
        named.append(("candidate", [one.candidate for one in outputs.maps]))
    if _compared(outputs):
        named.append(("difference", [one.difference for one in outputs.maps]))
    axes = part.subplots(len(named), len(outputs.maps), squeeze=False)
    for (name, grids), row in zip(named, axes, strict=True):
        same = [grid for other, others in named if (other == "difference") == (name == "difference") for grid in others]
        _draw_row(row, grids, same, outputs, name)
        other = name == "candidate" and bool(outputs.candidate_lengths)
        row[0].set_ylabel("\n".join([name] if other else [name, *outputs.axes[:-1]]), size=SMALL)
        if not _is_line(outputs):
            images = [one for panel in row for one in panel.get_images()]
            if images:
                bar = part.colorbar(images[0], ax=[*row], fraction=0.03, pad=0.01)
                bar.ax.tick_params(labelsize=SMALL - 1)
                bar.ax.yaxis.get_offset_text().set_fontsize(SMALL - 2)
                if name == "difference" and _all_zero(outputs):
                    bar.set_ticks([0])
    for panel, one in zip(axes[0], outputs.maps, strict=True):
        if one.channel is not None:
            panel.set_title(f"channel {one.channel}", size=SMALL)
    # Of another shape, axes are others.
    for panel in axes[0 if outputs.candidate_lengths else -1]:
        panel.set_xlabel(outputs.axes[-1] if outputs.axes else "", size=SMALL, parse_math=False)
    part.suptitle(_title(outputs, shapes), x=0.01, ha="left", size=SMALL + 1, parse_math=False)


def largest(*grids: Any) -> float:
    """Return the largest magnitude of all finite entries; 1 where there is none but 0."""
    import numpy as np

    values = np.concatenate([np.abs(grid[np.isfinite(grid)]).ravel() for grid in grids])
    return float(values.max(initial=0)) or 1.0


def _title(outputs: Outputs, shapes: Sides[Shape | None]) -> str:
    """Say which channels are shown, of how many, where they are cut, and why there is no difference."""
    maps, first = outputs.maps, "Outputs"
    if outputs.channels is not None:
        which = ", those with the largest difference first" if _by_difference(maps) else ""
        first += f": {len(maps)} of {outputs.channels} channels{which}"
    places = ", ".join(f"{name} = {place}" for name, place in outputs.place.items())
    texts = [f"{first}; cut at {places}" if places else first]
    if shapes.candidate is not None and shapes.reference != shapes.candidate:
        texts.append(
            f"shapes differ, {format_shape(shapes.reference)} and {format_shape(shapes.candidate)}: no difference"
        )
    elif not _compared(outputs):
        texts.append("the candidate cannot run on these weights, so there is nothing to compare")
    elif _all_zero(outputs):
        texts.append("the difference is exactly 0 here")
    return "\n".join(textwrap.wrap("; ".join(texts), 118))


def _by_difference(maps: tuple[OutputMap, ...]) -> bool:
    """Tell whether channels stand in another order than that of their numbers, or begin with another one."""
    return [one.channel for one in maps] != list(range(len(maps)))


def _compared(outputs: Outputs) -> bool:
    return any(one.difference is not None for one in outputs.maps)


def _all_zero(outputs: Outputs) -> bool:
    return all(entry == 0 for one in outputs.maps for row in one.difference or () for entry in row)


def _is_line(outputs: Outputs) -> bool:
    return all(len(one.reference) <= 1 for one in outputs.maps)


def _panel_height(outputs: Outputs, width: float) -> float:
    if _is_line(outputs):
        return LINES
    rows, columns = outputs.lengths if len(outputs.lengths) > 1 else (1, *outputs.lengths)
    across = (width - 1.5) / max(1, len(outputs.maps)) - 0.15
    return min(HIGHEST, max(LOWEST, across * rows / columns))


def _draw_row(row: Any, grids: list[Grid | None], same: list[Grid | None], outputs: Outputs, name: str) -> None:
    """Draw one side; `same` are all grids that share its scale."""
    import numpy as np

    arrays = [np.array(grid, dtype=float) for grid in same if grid]
    finite = np.concatenate([array[np.isfinite(array)].ravel() for array in arrays] or [np.zeros(1)])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if name == "difference":
        high = largest(*arrays)
        low = -high
    lengths = (outputs.candidate_lengths if name == "candidate" else ()) or outputs.lengths
    for number, (panel, grid) in enumerate(zip(row, grids, strict=True)):
        below = name == _last(outputs) or bool(outputs.candidate_lengths)
        panel.tick_params(labelsize=SMALL - 2, labelleft=number == 0, labelbottom=below)
        if not grid:
            panel.set_axis_off()
        elif _is_line(outputs) and len(grid) == 1:
            _draw_line(panel, grid, lengths, (low, high), RED if name == "difference" else BLUE)
        else:
            _draw_image(panel, grid, lengths, (low, high), SIGNED if name == "difference" else VALUES)
            rows, columns = lengths if len(lengths) > 1 else (1, lengths[-1])
            if len(row) > 1 and 1 / WIDEST <= columns / rows <= WIDEST:
                panel.set_aspect("equal")


def _last(outputs: Outputs) -> str:
    return "difference" if _compared(outputs) else "candidate" if outputs.maps[0].candidate else "reference"


def _draw_line(panel: Axes, grid: Grid, lengths: Shape, limits: tuple[float, float], colour: str) -> None:
    from matplotlib.ticker import MaxNLocator

    values, length = grid[0], lengths[-1] if lengths else 1
    step = -(-length // len(values))
    places = [number * step for number in range(len(values))]
    few = len(values) <= 30
    panel.plot(places, values, color=colour, linewidth=0.9, marker="." if few else None, markersize=3)
    panel.axhline(0, color="0.7", linewidth=0.5, zorder=0)
    room = 0.06 * (limits[1] - limits[0] or 1)
    panel.set_ylim(limits[0] - room, limits[1] + room)
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    panel.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    panel.yaxis.get_offset_text().set_fontsize(SMALL - 2)


def _draw_image(panel: Axes, grid: Grid, lengths: Shape, limits: tuple[float, float], colours: str) -> None:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    rows, columns = lengths if len(lengths) > 1 else (1, lengths[-1])
    panel.imshow(
        np.array(grid, dtype=float),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
        aspect="auto",
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )
    panel.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(3, integer=True))
