"""Sums along atoms. isl's relations are sets: that no entry is counted once where it occurs often is checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import islpy as isl

from convcheck.all_sizes.pieces import Segment, box_of_one
from convcheck.all_sizes.sizes import CannotProve, Sizes


def summed_out(sizes: Sizes, relation: Any, first: int, segment: Segment) -> Iterator[tuple[Any, Any]]:
    """Yield the relations without some atoms of their domain, and how often an entry of each occurs."""
    if not segment:
        yield 1, relation
        return
    number, inputs = len(segment), relation.dim(isl.dim_type.in_)
    if _counts_once(sizes, relation, first, number):
        yield 1, relation.project_out(isl.dim_type.in_, first, number)
        return
    # One by one, innermost last: an atom that is not read at all counts as often as it is long.
    without = relation.project_out(isl.dim_type.in_, first, 1)
    widened = without.insert_dims(isl.dim_type.in_, first, 1).intersect_domain(
        box_of_one(sizes, inputs, first, segment[0])
    )
    bounded = relation.intersect_params(sizes.context)
    if widened.intersect_params(sizes.context).is_equal(bounded):
        for often, one in summed_out(sizes, without, first, segment[1:]):
            yield segment[0] * often, one
        return
    if segment[0].is_Integer:
        for place in range(int(segment[0])):
            here = isl.Set(f"{{ [{', '.join(f'n{n}' for n in range(inputs))}] : n{first} = {place} }}")
            fixed = relation.intersect_domain(here).project_out(isl.dim_type.in_, first, 1)
            if not fixed.intersect_params(sizes.context).is_empty():
                yield from summed_out(sizes, fixed, first, segment[1:])
        return
    if len(segment) > 1 and _counts_once(sizes, relation, first, 1):
        yield from summed_out(sizes, without, first, segment[1:])
        return
    raise CannotProve("a sum in which entries occur several times")


def _counts_once(sizes: Sizes, relation: Any, first: int, number: int) -> bool:
    """Tell whether an output and an entry occur together at one place of some atoms at most."""
    inside, outside = isl.dim_type.in_, isl.dim_type.out
    read = relation.dim(outside)
    moved = relation.move_dims(outside, read, inside, first, number)
    places = moved.move_dims(inside, 0, outside, 0, read)
    return bool(places.intersect_params(sizes.context).is_single_valued())
