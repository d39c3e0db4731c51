"""What a tensor for all sizes is made of: axes, sources, and pieces; and the sets of their indices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.sizes import CannotProve, Sizes

Segment = tuple[Size, ...]
"""The sizes of its atoms; none for a length of 1."""
Axis = tuple[Segment, ...]
ONE: Axis = ((),)
MOST_PIECES = 256
"""Proofs that are found in a few seconds have half as many; a product of tensors multiplies their numbers."""


@dataclass(frozen=True)
class Source:
    """A tensor that others are made of: an input, a weight, or what an operator without a reading makes.

    `name` tells sources apart; `axes` are its own. `operator` is that which makes it, of tensors that are made of the
    sources named in `roots`; both are empty for an input or a weight. Entries of one with an operator may hang
    together, so that polynomials of them that differ may still be equal. `truth` tells that all entries are 0 or 1.
    One that is inert has no finite numbers, or none at all: it can be moved, and nothing can be computed with it.
    """

    name: str
    axes: tuple[Axis, ...] = field(compare=False)
    operator: str = field(default="", compare=False)
    roots: frozenset[str] = field(default=frozenset(), compare=False)
    truth: bool = field(default=False, compare=False)
    is_inert: bool = False

    @property
    def derived(self) -> bool:
        """Whether an operator makes it."""
        return bool(self.operator)


INFINITY = Source("-inf", (), is_inert=True)
"""A number that is below all others."""


@dataclass(frozen=True)
class Piece:
    """`coefficient` times a product of entries, for the entries that `relation` holds.

    `segments` has the number of a segment for every axis. `relation` goes from the atoms of these to the atoms of all
    factors, which are those of a source of one segment an axis, one after the other.
    """

    segments: tuple[int, ...]
    coefficient: Any
    factors: tuple[Entry, ...]
    relation: Any


@dataclass(frozen=True)
class Entry:
    """A factor: the source, and which segments of it are read."""

    source: Source
    segments: tuple[int, ...]

    @property
    def atoms(self) -> int:
        """How many numbers tell which entry it is."""
        axes = zip(self.source.axes, self.segments, strict=True)
        return sum(len(axis[number]) for axis, number in axes)

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        return (self.source.name, self.segments)


def length(axis: Axis) -> Size:
    """Return the length of an axis."""
    return sympy.expand(sympy.Add(*(sympy.prod(segment) for segment in axis)))


def axis_of(size: Size) -> Axis:
    """Return an axis of a length."""
    return ONE if size == 1 else ((size,),)


def box(sizes: Sizes, lengths: Sequence[Size]) -> Any:
    """Return the set of all indices below some lengths."""
    return sizes.remembered(("box", tuple(lengths)), lambda: _box(sizes, lengths))


def _box(sizes: Sizes, lengths: Sequence[Size]) -> Any:
    names = [f"n{number}" for number in range(len(lengths))]
    bounds = [f"0 <= {name} < {sizes.text(size)}" for name, size in zip(names, lengths, strict=True)]
    return isl.Set(f"[{sizes.names}] -> {{ [{', '.join(names)}] : {' and '.join(bounds) or 'true'} }}")


def places(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    """Yield every choice of a segment for every axis."""
    yield from itertools.product(*(range(len(axis)) for axis in axes))


def box_at(sizes: Sizes, axes: Sequence[Axis], segments: Sequence[int]) -> Any:
    """Return the set of all indices in one segment of every axis."""
    return box(sizes, [size for axis, n in zip(axes, segments, strict=True) for size in axis[n]])


def box_of_one(sizes: Sizes, rank: int, place: int, size: Size) -> Any:
    """Return all tuples of `rank` numbers in which the one at `place` is an index below a length."""
    names = [f"n{number}" for number in range(rank)]
    return isl.Set(f"[{sizes.names}] -> {{ [{', '.join(names)}] : 0 <= n{place} < {sizes.text(size)} }}")


def whole(size: Size) -> int:
    """Return a size that is a number. Raises CannotProve for any other."""
    if not size.is_Integer:
        raise CannotProve(f"the size {size} is no number")
    return int(size)


def atoms_of(axes: Sequence[Axis], segments: Sequence[int]) -> int:
    """Return how many numbers tell an index, with one segment of every axis."""
    return sum(len(axis[number]) for axis, number in zip(axes, segments, strict=True))


def names_of_atoms(lengths: Sequence[int]) -> list[list[str]]:
    """Return names for the atoms of every axis, of which there are so many."""
    numbers = itertools.count()
    return [[f"n{next(numbers)}" for _ in range(one)] for one in lengths]


def strides(segment: Segment) -> list[Size]:
    """Return how many entries lie between neighbours along every atom."""
    return [sympy.Integer(1) if not segment[n + 1 :] else sympy.prod(segment[n + 1 :]) for n in range(len(segment))]


def check_count(pieces: Sequence[Piece]) -> None:
    """Check that a sum is not too long. Raises CannotProve."""
    if len(pieces) > MOST_PIECES:
        raise CannotProve(f"a sum of more than {MOST_PIECES} pieces")
