"""Makes tensors for all sizes: of numbers, of sources, and of others one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.pieces import (
    INFINITY,
    Axis,
    Entry,
    Piece,
    Source,
    box_at,
    places,
)
from convcheck.all_sizes.sizes import Sizes
from convcheck.all_sizes.value import Value


def constant(sizes: Sizes, axes: Sequence[Axis], number: Any) -> Value:
    """Return a tensor that is one number everywhere."""
    if number == 0:
        return Value(sizes, tuple(axes), ())
    factors: tuple[Entry, ...] = ()
    if number == -sympy.oo:
        number, factors = sympy.Integer(1), (Entry(INFINITY, ()),)
    pieces = [Piece(at, number, factors, isl.Map.from_domain(box_at(sizes, axes, at))) for at in places(axes)]
    return Value(sizes, tuple(axes), tuple(pieces))


def overlaid(one: Value, other: Value) -> Value:
    """Return the entries of two tensors of the same axes, of which one is zero wherever the other is not."""
    assert one.axes == other.axes
    return Value(one.sizes, one.axes, (*one.pieces, *other.pieces))


def source(sizes: Sizes, name: str, axes: Sequence[Axis], is_inert: bool = False) -> Value:
    """Return a tensor that stands for itself."""
    return of_source(sizes, Source(name, tuple(axes), is_inert=is_inert))


def of_source(sizes: Sizes, origin: Source) -> Value:
    """Return a source as a tensor."""
    axes, pieces = origin.axes, []
    for segments in places(axes):
        inside = box_at(sizes, axes, segments)
        pieces.append(Piece(segments, sympy.Integer(1), (Entry(origin, segments),), inside.identity()))
    return Value(sizes, tuple(axes), tuple(pieces))


def as_truth(value: Value) -> Value:
    """Return the tensor, made of sources whose entries are 0 or 1."""
    pieces = tuple(
        replace(one, factors=tuple(replace(e, source=replace(e.source, truth=True)) for e in one.factors))
        for one in value.pieces
    )
    return Value(value.sizes, value.axes, pieces)


def without_infinities(value: Value) -> tuple[Value, Value]:
    """Return the tensor without its infinities, and how often each entry is infinite."""
    rest = tuple(one for one in value.pieces if all(entry.source != INFINITY for entry in one.factors))
    where = tuple(
        replace(one, factors=tuple(entry for entry in one.factors if entry.source != INFINITY))
        for one in value.pieces
        if any(entry.source == INFINITY for entry in one.factors)
    )
    return Value(value.sizes, value.axes, rest), Value(value.sizes, value.axes, where)
