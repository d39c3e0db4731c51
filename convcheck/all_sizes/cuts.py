"""Axes in parts: one atom as several segments, or as two atoms; and tensors one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy

from convcheck.all_sizes.pieces import ONE, Axis, Piece, Segment
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def stacked(parts: Sequence[Value], axis: int) -> Value:
    """Return tensors one behind the other along an axis, each a segment or several of its own."""
    first, segments, pieces = parts[0], list[Segment](), list[Piece]()
    for part in parts:
        for piece in part.pieces:
            shifted = len(segments) + piece.segments[axis]
            pieces.append(replace(piece, segments=(*piece.segments[:axis], shifted, *piece.segments[axis + 1 :])))
        segments += part.axes[axis]
    return Value(first.sizes, (*first.axes[:axis], tuple(segments), *first.axes[axis + 1 :]), tuple(pieces))


def split(value: Value, axis: int, lengths: Sequence[Size]) -> Value:
    """Return the tensor with an axis of one atom as several segments of these lengths, one behind the other."""
    flat, start, parts = value.flat(axis), sympy.Integer(0), []
    for one in lengths:
        new: Axis = ((one,),) if one != 1 else ONE
        index = f"{value.sizes.text(start)} + n0" if one != 1 else value.sizes.text(start)
        parts.append(flat.indexed(axis, [new], [index]))
        start = start + one
    return stacked(parts, axis)


def cut(value: Value, axis: int, atom: int, outer: Size, inner: Size) -> Value:
    """Return the tensor with one atom of a segment as two: `outer` times `inner`, the inner one fastest."""
    (old,) = value.one_segment(axis)
    names = [f"n{number}" for number in range(len(old) + 1)]
    new = (*old[:atom], outer, inner, *old[atom + 1 :])
    above, below = names[:atom], names[atom + 2 :]
    if inner.is_Integer:
        return value.indexed(axis, [(new,)], [*above, f"{inner}*n{atom} + n{atom + 1}", *below])
    if not outer.is_Integer:
        raise CannotProve(f"an axis of {outer * inner} is cut in {outer} x {inner}")
    # The inner length is no number: one case for every outer one.
    cases = [
        f"(n{atom} = {number} and e = n{atom + 1} + {value.sizes.text(sympy.expand(number * inner))})"
        for number in range(int(outer))
    ]
    return value.indexed(axis, [(new,)], [*above, "e", *below], " or ".join(cases))
