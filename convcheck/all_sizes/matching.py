"""Finds the entries of one tensor that are equal to entries of another, for all sizes: a relation between indices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import islpy as isl

from convcheck.all_sizes.compare import Terms, added, is_zero
from convcheck.all_sizes.sizes import Sizes

Segments = tuple[int, ...]
Normal = Mapping[Segments, Terms]
"""A tensor as `compare.normal` returns it."""


def equal_entries(ours: Sequence[Terms], theirs: Sequence[Terms], within: Any, sizes: Sizes) -> Any:
    """Return at which indices several tensors are equal to others, all at the same pair of indices.

    `ours` and `theirs` have the tensors' terms in one segment of every axis. `within` is a relation from the indices
    of the first to those of the others; the result is the part of it in which the tensors are equal.
    """
    relation = within.intersect_params(sizes.context)
    for one, other, key in _by_degree(ours, theirs):
        relation = _that_meet(relation, one.get(key, []), other.get(key, []))
        if relation.is_empty():
            return relation
        if relation.is_single_valued():
            break
    for one, other in zip(ours, theirs, strict=True):
        relation = _that_are_equal(relation, one, other, sizes)
    return relation.coalesce()


def _by_degree(ours: Sequence[Terms], theirs: Sequence[Terms]) -> Iterator[tuple[Terms, Terms, Any]]:
    """Yield all monomials with the tensors that they are in, those of many factors first: they tell most."""
    found = [(one, other, key) for one, other in zip(ours, theirs, strict=True) for key in {**one, **other}]
    yield from sorted(found, key=lambda it: -len(it[2]))


def _that_meet(relation: Any, ours: Sequence[tuple[Any, Any]], theirs: Sequence[tuple[Any, Any]]) -> Any:
    """Return the pairs that share an entry with the same coefficient, or have none both."""
    rest = relation
    for _, one in ours:
        rest = rest.subtract_domain(one.domain())
    for _, other in theirs:
        rest = rest.subtract_range(other.domain())
    for coefficient, one in ours:
        for number, other in theirs:
            if is_zero(coefficient - number):
                rest = rest.union(relation.intersect(one.apply_range(other.reverse())))
    return rest.coalesce()


def _that_are_equal(relation: Any, one: Terms, other: Terms, sizes: Sizes) -> Any:
    """Return the pairs at which two tensors are equal."""
    if relation.is_single_valued():
        # A function: read the other tensor through it.
        domain = relation.domain()
        for key in {**one, **other}:
            terms = [(number, part.intersect_domain(domain)) for number, part in one.get(key, [])]
            terms += [(-number, relation.apply_range(part)) for number, part in other.get(key, [])]
            for coefficient, part in added(terms, sizes):
                if not is_zero(coefficient):
                    relation = relation.subtract_domain(part.domain())
        return relation
    from_ours, from_theirs = relation.domain_map(), relation.range_map()
    bad = []
    for key in {**one, **other}:
        terms = [(number, from_ours.apply_range(part)) for number, part in one.get(key, [])]
        terms += [(-number, from_theirs.apply_range(part)) for number, part in other.get(key, [])]
        bad += [part.domain() for coefficient, part in added(terms, sizes) if not is_zero(coefficient)]
    for pairs in bad:
        relation = relation.subtract(pairs.unwrap())
    return relation


def equal_sets(relation: Any, ours: Any, theirs: Any, ours_last: int, theirs_last: int) -> Any:
    """Return which sets have the same entries.

    Args:
        relation: which entries are equal, from index to index.
        ours: the indices of all entries, of which the last `ours_last` numbers tell entries of a set apart.
        theirs: the same for the other tensor.
    """
    inside, outside = isl.dim_type.in_, isl.dim_type.out
    relation = relation.intersect_domain(ours).intersect_range(theirs)
    first = relation.dim(inside) - ours_last
    second = relation.dim(outside) - theirs_last
    pairs = relation.project_out(inside, first, ours_last).project_out(outside, second, theirs_last)
    with_ours = pairs.insert_dims(inside, first, ours_last).intersect_domain(ours)
    lonely = with_ours.subtract(relation.project_out(outside, second, theirs_last))
    result = pairs.subtract(lonely.project_out(inside, first, ours_last))
    with_theirs = pairs.insert_dims(outside, second, theirs_last).intersect_range(theirs)
    lonely = with_theirs.subtract(relation.project_out(inside, first, ours_last))
    return result.subtract(lonely.project_out(outside, second, theirs_last)).coalesce()


def function(relation: Any) -> Any:
    """Return one index for every one that a relation has any for."""
    return relation if relation.is_single_valued() else relation.lexmin()
