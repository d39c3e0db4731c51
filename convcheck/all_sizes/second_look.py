"""Holds a proof against torch: entries of both sides, by plain enumeration of what was read, at small sizes.

What is enumerated shares nothing with the comparison that made the proof but the relations, and torch runs the modules
themselves, not their trace. All numbers are whole, so a wrong relation between whole coefficients is wrong by 1 at
least, far above what is allowed for roots and fractions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.all_sizes.axes import FreeAxis, lengths_by_name
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.entries import Entries, Place, TooMany
from convcheck.all_sizes.exploring import holds
from convcheck.all_sizes.points import at, at_least, smallest
from convcheck.all_sizes.regions import Region
from convcheck.all_sizes.replay import TOLERANCE, draw, resized, run
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import Given
from convcheck.all_sizes.value import Value
from convcheck.sizes.places import unravelled

MOST_PLACES = 24
"""At how many entries of an output both sides are held against torch."""
MOST_UNREAD = 64
"""How many sizes are tried for some that are on a path, where that is no relation."""
MOST_TERMS_OF_ONE = 200_000
"""How many terms of sums are added for the first entry."""
BEYOND = 3
"""How far beyond the smallest sizes the second ones may lie, axis by axis."""


class ProofContradicted(Exception):  # noqa: N818  # it is a fault of convcheck
    """What was proved of some sizes is not what torch computes there."""

    def __init__(self, sizes: Mapping[str, int], what: str) -> None:
        where = written_sizes(sizes)
        super().__init__(
            "convcheck contradicts itself, which says nothing about the layer: both sides were proved equal, "
            f"but at {where} {what}; please report it, with the command that repeats it"
        )


@dataclass(frozen=True)
class Look:
    """The sizes of a second look, and at how many entries of the output it was taken."""

    sizes: Mapping[str, int]
    entries: int
    of: int


def look_again(
    both: Both, given: Sequence[Given], axes: Sequence[FreeAxis], region: Region, seed: int, terms: int
) -> Iterator[Look]:
    """Hold both sides against torch at the smallest sizes of a region, and at others that `seed` chooses.

    `terms` is how many terms of sums are added at each, besides those of the first entry.

    Raises:
        ProofContradicted: a side is not what was read of it, or the sides differ.
        CannotProve: a side raises at sizes at which its trace runs.
    """
    order = [axis.symbol for axis in axes]
    first = _smallest(region, order)
    if first is None:
        return
    yield _look(both, given, axes, region, first, seed, terms)
    other = _beyond(region, order, first, random.Random(seed))
    if other != first and _is_on_path(region, other):
        yield _look(both, given, axes, region, other, seed, terms)


def _smallest(region: Region, order: Sequence[str]) -> Mapping[str, int] | None:
    """Return the smallest sizes on a path; None if conditions that are no relations leave none among the first."""
    sizes = region.region
    for _ in range(MOST_UNREAD):
        point = smallest(sizes, order)
        if point is None or _is_on_path(region, point):
            return point
        sizes = sizes.subtract(at({name: point[name] for name in order if name in point}))
    return None


def _is_on_path(region: Region, point: Mapping[str, int]) -> bool:
    return all(holds(condition, point) for condition in region.sizes.unread)


def _beyond(
    region: Region, order: Sequence[str], first: Mapping[str, int], generator: random.Random
) -> Mapping[str, int]:
    """Return sizes a little beyond the first ones."""
    sizes = region.region
    for name in (name for name in order if name in first):
        low = first[name] + generator.randint(0, BEYOND)
        point = smallest(sizes.intersect(at_least(name, low)), [name])
        if point is not None:
            sizes = sizes.intersect(at({name: point[name]}))
    return smallest(sizes, order) or first


def _look(
    both: Both,
    given: Sequence[Given],
    axes: Sequence[FreeAxis],
    region: Region,
    point: Mapping[str, int],
    seed: int,
    terms: int,
) -> Look:
    sizes = lengths_by_name(axes, point)
    generator = torch.Generator().manual_seed(seed)
    tensors = {one.name: draw(one, generator) for one in resized(given, point)}
    ran = run(both, tensors)
    for side in ("reference", "candidate"):
        if (error := getattr(ran.raised, side)) is not None:
            # The trace ran, and so nothing is known of which sizes do.
            raise CannotProve(f"the {side} raises at {written_sizes(sizes)}, where its trace runs: {error}")
    assert ran.outputs.reference is not None
    entries = Entries(region.sources, point, tensors)
    places = list(_places(tuple(ran.outputs.reference.shape), random.Random(seed)))
    held = {
        side: _held(side, entries, getattr(region.values, side), getattr(ran.outputs, side), places, terms, sizes)
        for side in ("reference", "candidate")
    }
    if (reason := ran.difference()) is not None:
        raise ProofContradicted(sizes, f"the sides differ: {reason[1]}")
    return Look(sizes, min(held.values()), ran.outputs.reference.numel())


def _held(
    side: str,
    entries: Entries,
    value: Value,
    output: Tensor,
    places: Sequence[Place],
    terms: int,
    sizes: Mapping[str, int],
) -> int:
    """Hold one side against torch, and return at how many entries. Raises ProofContradicted where it is another."""
    if entries.shape(value) != tuple(output.shape):
        shapes = f"{list(output.shape)}, and was read as {list(entries.shape(value))}"
        raise ProofContradicted(sizes, f"the {side} has the shape {shapes}")
    finite, held = output[output.isfinite()], 0
    scale = max(1.0, float(finite.abs().max())) if finite.numel() else 1.0
    entries.terms_left, needed = MOST_TERMS_OF_ONE, 0
    for place in places:
        if entries.terms_left < needed:
            # The first entries, at the borders, are sums of the fewest terms.
            break
        try:
            before = entries.terms_left
            ours = entries.entry(value, place)
        except TooMany:
            break
        except CannotProve:
            # torch makes no finite number of these numbers.
            continue
        theirs = output[place].item()
        if not math.isfinite(theirs):
            continue
        if not abs(float(ours) - theirs) <= TOLERANCE * scale:
            text = f"output {list(place)} of the {side} is {theirs:g} in torch, and was read as {float(ours):g}"
            raise ProofContradicted(sizes, text)
        needed = before - entries.terms_left
        entries.terms_left = min(entries.terms_left, terms)
        held += 1
    return held


def _places(shape: Place, generator: random.Random) -> Iterator[Place]:
    """Yield the first and the last entry of a tensor, then others by chance; all of a small one."""
    count = math.prod(shape)
    numbers = [0, count - 1, *generator.sample(range(count), min(count, MOST_PLACES))]
    for number in list(dict.fromkeys(numbers))[: min(count, MOST_PLACES)]:
        yield unravelled(number, shape)


def written_sizes(sizes: Mapping[str, int]) -> str:
    """Return sizes by their axes as a text."""
    return " ".join(f"{name}={size}" for name, size in sizes.items())
