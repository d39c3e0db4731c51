"""What comes of equal indices: earlier results read at new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import islpy as isl

from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.matching import Normal, Segments
from convcheck.all_sizes.pieces import Piece
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import INPUT
from convcheck.all_sizes.value import Value

ONE_OVER_ROOT = "rsqrt"


def is_root(value: Value) -> bool:
    """Tell whether a tensor is one over the root of something that inputs are in."""
    return bool(value.pieces) and all(
        len(piece.factors) == 1
        and piece.factors[0].source.operator == ONE_OVER_ROOT
        and any(name.startswith(INPUT) for name in piece.factors[0].source.roots)
        for piece in value.pieces
    )


def alike(values: Sequence[Value]) -> tuple[Value, ...]:
    """Return tensors with the same axes."""
    alike = list(values)
    for _ in range(2):
        for place in range(1, len(alike)):
            alike[0], alike[place] = aligned(alike[0], alike[place])
    return tuple(alike)


def inside_of(form: Normal, segments: Segments) -> Any:
    """Return where a tensor is 1. Raises CannotProve where it is neither 0 nor 1."""
    terms = form.get(segments, {})
    if not terms:
        return None
    if set(terms) != {()} or any(number != 1 for number, _ in terms[()]):
        raise CannotProve("which entries there are depends on others")
    first, *others = (relation.domain() for _, relation in terms[()])
    for other in others:
        first = first.union(other)
    return first


def rows(row: Value, segments: Segments, at: Any) -> Iterator[Piece]:
    """Yield the pieces that have the same row at many indices."""
    for piece in row.pieces:
        relation = isl.Map.from_domain(at).flat_domain_product(piece.relation)
        yield replace(piece, segments=segments + piece.segments, relation=relation)


def through(result: Value, segments: Segments, at: Segments, relation: Any, beside: int) -> Iterator[Piece]:
    """Yield the pieces of an earlier result, read through a function from new indices to earlier ones."""
    for piece in result.pieces:
        if piece.segments[: len(at)] != at:
            continue
        last = piece.relation.dim(isl.dim_type.in_) - relation.dim(isl.dim_type.out)
        read = relation
        if beside and last:
            # The further axes are read as they are.
            same = isl.Map(f"{{ [{_names(last)}] -> [{_names(last)}] }}")
            read = relation.flat_product(same)
        composed = read.apply_range(piece.relation)
        if not composed.is_empty():
            yield replace(piece, segments=segments + piece.segments[len(at) :], relation=composed)


def _names(count: int) -> str:
    return ", ".join(f"n{number}" for number in range(count))
