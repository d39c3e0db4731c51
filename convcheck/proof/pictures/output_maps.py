"""A few channels of both outputs, and of their difference, as small grids."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convcheck.proof.pictures.output_layout import OutputLayout, layout_of
from convcheck.results.pictures import Grid, OutputMap, Outputs
from convcheck.sizes.patterns import Shape

CHANNELS = 6
"""How many channels are shown."""

POSITIONS = 96
"""How many positions an axis of a map has at most."""

LINE = 480
"""The same where a map is a line."""


def output_maps(reference: Tensor, candidate: Tensor | None, names: tuple[str, ...], worst: Shape | None) -> Outputs:
    """Return maps of both outputs, cut at the index `worst` where there is a difference; else in the middle.

    The candidate's is None where it could not be run, and may be of another shape. Then the first channels are shown,
    as where there is no difference.
    """
    layout = layout_of(names, tuple(reference.shape))
    if candidate is not None and candidate.shape != reference.shape:
        worst = None
    ours = _maps(reference, layout, _places(reference, layout, worst))
    theirs = difference = None
    other_lengths: Shape = ()
    if candidate is not None:
        its = layout if candidate.shape == reference.shape else layout_of(names, tuple(candidate.shape))
        other_lengths = tuple(candidate.shape[axis] for axis in its.space) if its is not layout else ()
        theirs = _maps(candidate, its, _places(candidate, its, worst))
        difference = theirs - ours if candidate.shape == reference.shape else None
    count = max(len(ours), len(theirs) if theirs is not None else 0)
    chosen = list(range(min(CHANNELS, count)))
    if worst is not None and difference is not None:
        sizes = difference.abs().nan_to_num(math.inf, math.inf).flatten(1).amax(1)
        chosen = sizes.sort(descending=True, stable=True).indices[:CHANNELS].tolist()
    maps = (
        OutputMap(
            channel=None if layout.channel is None else number,
            reference=_grid(ours[number]) if number < len(ours) else (),
            candidate=_grid(theirs[number]) if theirs is not None and number < len(theirs) else None,
            difference=None if difference is None else _grid(difference[number], largest=True),
        )
        for number in chosen
    )
    places = zip(layout.others, _places(reference, layout, worst), strict=True)
    return Outputs(
        tuple(maps),
        None if layout.channel is None else len(ours),
        tuple(layout.names[axis] for axis in layout.space),
        tuple(reference.shape[axis] for axis in layout.space),
        other_lengths,
        {layout.names[axis]: place for axis, place in places},
    )


def _places(output: Tensor, layout: OutputLayout, worst: Shape | None) -> list[int]:
    """Return where an output is cut along the axes that are not shown: at the worst, or the first and the middle."""
    if worst is not None:
        return [worst[axis] for axis in layout.others]
    return [0 if axis == 0 else output.shape[axis] // 2 for axis in layout.others]


def _maps(output: Tensor, layout: OutputLayout, places: Sequence[int]) -> Tensor:
    """Return `[channels, rows, columns]` in float64, cut at the places; one channel where there are none."""
    cut = output
    for axis, place in sorted(zip(layout.others, places, strict=True), reverse=True):
        cut = cut.select(axis, place)
    left = [axis for axis in range(output.dim()) if axis not in layout.others]
    first = [] if layout.channel is None else [layout.channel]
    maps = cut.permute([left.index(axis) for axis in (*first, *layout.space)]).double()
    maps = maps if first else maps[None]
    return maps.reshape(len(maps), *([1] * (2 - len(layout.space))), *maps.shape[1:])


def _grid(values: Tensor, *, largest: bool = False) -> Grid:
    """Return rows of numbers: of positions that are taken together the first, or what is farthest from 0."""
    most = (POSITIONS, LINE if len(values) == 1 else POSITIONS)
    for axis, limit in enumerate(most):
        step = -(-values.shape[axis] // limit)
        if step == 1:
            continue
        if not largest:
            values = values.index_select(axis, torch.arange(0, values.shape[axis], step))
            continue
        missing = -values.shape[axis] % step
        padding = [0, missing] if axis == 1 else [0, 0, 0, missing]
        padded = torch.nn.functional.pad(values, padding)
        blocks = padded.reshape(*padded.shape[:axis], -1, step, *padded.shape[axis + 1 :])
        farthest = blocks.abs().nan_to_num(math.inf, math.inf).argmax(axis + 1, keepdim=True)
        values = blocks.gather(axis + 1, farthest).squeeze(axis + 1)
    return tuple(map(tuple, values.tolist()))
