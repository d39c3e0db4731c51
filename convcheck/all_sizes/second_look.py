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

from convcheck.all_sizes.axes import FreeAxis
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.entries import Entries, Place, TooMany, unravelled
from convcheck.all_sizes.exploring import Region
from convcheck.all_sizes.points import at, at_least, smallest
from convcheck.all_sizes.replay import TOLERANCE, draw, resized, run
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import Given
from convcheck.all_sizes.value import Value

MOST_PLACES = 24
"""At how many entries of an output both sides are held against torch."""
MOST_TERMS = 6_000
"""How many terms of sums are added for them, all together, after the first entry."""
MOST_TERMS_OF_ONE = 200_000
"""How many terms of sums are added for the first entry."""
BEYOND = 3
"""How far beyond the smallest sizes the second ones may lie, axis by axis."""


class ProofContradicted(Exception):  # noqa: N818  # it is a fault of convcheck
    """What was proved of some sizes is not what torch computes there."""

    def __init__(self, sizes: Mapping[str, int], what: str) -> None:
        where = " ".join(f"{name}={size}" for name, size in sizes.items())
        super().__init__(
            f"convcheck contradicts itself, which says nothing about the layer: proved equal for all sizes, but at {where} "
            f"{what}; please report it, with the command that repeats it"
        )


@dataclass(frozen=True)
class Look:
    """The sizes of a second look, and at how many entries of the output it was taken."""

    sizes: Mapping[str, int]
    entries: int
    of: int


def look_again(
    both: Both, given: Sequence[Given], axes: Sequence[FreeAxis], region: Region, seed: int
) -> Iterator[Look]:
    """Hold both sides against torch at the smallest sizes of a region, and at others that `seed` chooses.

    Raises:
        ProofContradicted: a side is not what was read of it, or the sides differ.
    """
    order = [axis.symbol for axis in axes]
    first = smallest(region.region, order)
    assert first is not None
    yield _look(both, given, axes, region, first, seed)
    other = _beyond(region, order, first, random.Random(seed))
    if other != first:
        yield _look(both, given, axes, region, other, seed)


def _beyond(
    region: Region, order: Sequence[str], first: Mapping[str, int], generator: random.Random
) -> Mapping[str, int]:
    """Return sizes a little beyond the first ones."""
    sizes = region.region
    for name in order:
        low = first[name] + generator.randint(0, BEYOND)
        point = smallest(sizes.intersect(at_least(name, low)), [name])
        if point is not None:
            sizes = sizes.intersect(at({name: point[name]}))
    return smallest(sizes, order) or first


def _look(
    both: Both, given: Sequence[Given], axes: Sequence[FreeAxis], region: Region, point: Mapping[str, int], seed: int
) -> Look:
    sizes = {axis.name: point[axis.symbol] for axis in axes}
    generator = torch.Generator().manual_seed(seed)
    tensors = {one.name: draw(one, generator) for one in resized(given, point)}
    ran = run(both, tensors)
    for side in ("reference", "candidate"):
        if (error := getattr(ran.raised, side)) is not None:
            raise ProofContradicted(sizes, f"the {side} raises {error}")
    entries = Entries(region.sources, point, tensors)
    held = {
        side: _held(side, entries, getattr(region.values, side), getattr(ran.outputs, side), seed, sizes)
        for side in ("reference", "candidate")
    }
    if (reason := ran.difference()) is not None:
        raise ProofContradicted(sizes, f"the sides differ: {reason[1]}")
    return Look(sizes, min(held.values()), ran.outputs.reference.numel())


def _held(side: str, entries: Entries, value: Value, output: Tensor, seed: int, sizes: Mapping[str, int]) -> int:
    """Hold one side against torch, and return at how many entries. Raises ProofContradicted where it is another."""
    if entries.shape(value) != tuple(output.shape):
        shapes = f"{list(output.shape)}, and was read as {list(entries.shape(value))}"
        raise ProofContradicted(sizes, f"the {side} has the shape {shapes}")
    scale, held = max(1.0, float(output.abs().max())) if output.numel() else 1.0, 0
    entries.terms_left = MOST_TERMS_OF_ONE
    for place in _places(tuple(output.shape), random.Random(seed)):
        try:
            ours = entries.entry(value, place)
        except TooMany:
            break
        except CannotProve:
            # torch makes no finite number of these numbers.
            continue
        theirs = output[place].item()
        if not abs(float(ours) - theirs) <= TOLERANCE * scale:
            text = f"output {list(place)} of the {side} is {theirs:g} in torch, and was read as {float(ours):g}"
            raise ProofContradicted(sizes, text)
        entries.terms_left = min(entries.terms_left, MOST_TERMS)
        held += 1
    return held


def _places(shape: Place, generator: random.Random) -> Iterator[Place]:
    """Yield the first and the last entry of a tensor, then others by chance; all of a small one."""
    count = math.prod(shape)
    numbers = [0, count - 1, *generator.sample(range(count), min(count, MOST_PLACES))]
    for number in list(dict.fromkeys(numbers))[: min(count, MOST_PLACES)]:
        yield tuple(unravelled(number, shape))
