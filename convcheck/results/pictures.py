"""What the picture of a result shows: small grids of numbers, cut out and counted where both sides ran.

A grid is a tuple of rows; entries that are not there are NaN. All of it is plain Python, so that it goes from process
to process, and is drawn without torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

Grid = tuple[tuple[float, ...], ...]


class Detail(StrEnum):
    """How much of a picture is asked for; each has all of those before it."""

    NONE = "none"
    SPREAD = "spread"
    """How the error is spread, which goes into a terminal."""
    MAPS = "maps"
    """Outputs and weights as well, which go into a file."""


@dataclass(frozen=True)
class Histogram:
    """How many outputs have which error in units of the bound.

    `halves` counts by half decades: number n has errors above 10^((n - 1) / 2) times the bound, and up to 10^(n / 2)
    times; so what has n <= 0 is within the bound. `zeros` have no error at all, `endless` one that is infinite or NaN.
    """

    zeros: int = 0
    halves: Mapping[int, int] = field(default_factory=dict)
    endless: int = 0

    @property
    def entries(self) -> int:
        return self.zeros + sum(self.halves.values()) + self.endless

    @property
    def beyond(self) -> int:
        """How many are beyond the bound."""
        return self.endless + sum(count for number, count in self.halves.items() if number > 0)


@dataclass(frozen=True)
class Strip:
    """The largest error / bound of blocks of positions in one channel, over the batch and all other axes.

    `lengths` are those of the axes that lie along its rows and columns; one axis alone is a single row.
    """

    channel: int | None
    axes: tuple[str, ...]
    lengths: tuple[int, ...]
    blocks: Grid


@dataclass(frozen=True)
class Spread:
    """How the error of all outputs is spread, in units of the bound."""

    histogram: Histogram
    channels: tuple[float, ...] = ()
    """The largest of every channel, as error / bound; empty where outputs have no channels."""
    strip: Strip | None = None


@dataclass(frozen=True)
class OutputMap:
    """One channel of the outputs, as `[rows, columns]`; the candidate's is None where it could not be run.

    `difference` is candidate - reference, and None where the shapes differ. `channel` is None where there are none.
    """

    channel: int | None
    reference: Grid
    candidate: Grid | None
    difference: Grid | None


@dataclass(frozen=True)
class Outputs:
    """A few channels of the outputs, of `channels` in all; those that differ most come first where any does.

    `axes` lie along rows and columns, of `lengths`; `place` says where along the other axes the maps are cut. Of
    positions that are taken together the first is shown, and of differences the largest.
    """

    maps: tuple[OutputMap, ...]
    channels: int | None
    axes: tuple[str, ...]
    lengths: tuple[int, ...]
    candidate_lengths: tuple[int, ...] = ()
    """Those of the candidate's maps, where its shape is another one."""
    place: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightMap:
    """The first rows and columns of a weight, before and after: the first axis lies along rows, all others columns.

    Where every entry of the candidate's weight is one of the reference's, or a constant 0 (NaN here), `moved` is true,
    and entries are numbered as they stand in memory of the reference's; else they are values.
    """

    source: str
    target: str
    pattern: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    moved: bool
    before: Grid
    after: Grid


@dataclass(frozen=True)
class Picture:
    """What is shown of one result; what was not asked for, or could not be computed, is not there."""

    spread: Spread | None = None
    outputs: Outputs | None = None
    weights: tuple[WeightMap, ...] = ()

    def without_maps(self) -> Picture:
        """Return what a terminal shows of it."""
        return replace(self, outputs=None, weights=())


def half_decade(ratio: float) -> int | None:
    """Return the number of a histogram's column for an error / bound above 0; None where it is infinite or NaN."""
    return math.ceil(2 * math.log10(ratio)) if math.isfinite(ratio) else None


@dataclass(frozen=True)
class Sheet:
    """A tensor as a table: matrices of its last two axes, along the axis before side by side, along others below.

    Cells hold `numbers` from 1, or 0 where there is nothing but a constant, and `colours` from 0 to 1, or NaN. `matrix`
    is how many rows and columns each of the matrices has.
    """

    title: str
    shape: tuple[int, ...]
    numbers: tuple[tuple[int, ...], ...]
    colours: Grid
    matrix: tuple[int, int]


@dataclass(frozen=True)
class RewriteMaps:
    """Where a rewrite moves entries of a small layer: equal numbers are the same entry.

    `before` and `after` are the inputs, and what they are multiplied as, of which `left_out` more are not shown;
    `colour` says by what both are coloured. `weights` and `results` are pairs, before and after; nothing where they
    stay as they are.
    """

    name: str
    claim: str
    summary: str
    layer: str
    inputs: str
    colour: str
    before: tuple[Sheet, ...]
    after: tuple[Sheet, ...]
    left_out: int
    weights: tuple[Sheet, ...]
    results: tuple[Sheet, ...]
