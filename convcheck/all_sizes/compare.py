"""Tells whether two tensors are equal for all sizes: as polynomials in their sources, monomial by monomial."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.pieces import Piece
from convcheck.all_sizes.sizes import Sizes
from convcheck.all_sizes.value import Value

Monomial = tuple[tuple[int, ...], tuple[tuple[str, tuple[int, ...]], ...]]
"""Which segment of every axis, and the factors, in order."""


@dataclass(frozen=True)
class Difference:
    """Sizes at which two tensors differ, and the monomial whose coefficients do; None where their shapes do."""

    monomial: Monomial | None
    sizes: Any


def difference(one: Value, other: Value) -> Difference | None:
    """Return where two tensors of the same axes differ first; None if they are equal for all sizes."""
    assert one.axes == other.axes
    return next(differences(one, other), None)


def differences(one: Value, other: Value) -> Iterator[Difference]:
    """Yield where two tensors of the same axes differ, monomial by monomial."""
    ours, theirs = monomials(one), monomials(other)
    for monomial in {**ours, **theirs}:
        pieces = [(piece, 1) for piece in ours.get(monomial, ())]
        pieces += [(piece, -1) for piece in theirs.get(monomial, ())]
        for coefficient, relation in added([(sign * one.coefficient, one.relation) for one, sign in pieces], one.sizes):
            if not is_zero(coefficient):
                yield Difference(monomial, relation.params())
                break


Terms = dict[tuple[tuple[str, tuple[int, ...]], ...], list[tuple[Any, Any]]]
"""For every product of factors the coefficients, and disjoint relations at which they stand."""


def normal(value: Value) -> dict[tuple[int, ...], Terms]:
    """Return a tensor in the only form that it has, for every choice of a segment for every axis."""
    result: dict[tuple[int, ...], Terms] = defaultdict(dict)
    for (segments, factors), pieces in monomials(value).items():
        terms = [
            (coefficient, relation)
            for coefficient, relation in added([(one.coefficient, one.relation) for one in pieces], value.sizes)
            if not is_zero(coefficient)
        ]
        if terms:
            result[segments][factors] = terms
    return result


def is_zero(coefficient: Any) -> bool:
    """Tell whether a coefficient is zero for all sizes."""
    return bool(coefficient == 0 or sympy.simplify(coefficient) == 0)


def monomials(value: Value) -> dict[Monomial, list[Piece]]:
    """Return the pieces of a tensor by their factors, which are put in order: x[i] * x[j] is x[j] * x[i]."""
    groups: dict[Monomial, list[Piece]] = defaultdict(list)
    for piece in value.pieces:
        ordered = _ordered(piece)
        key = tuple(entry.key for entry in ordered.factors)
        for one in _symmetric(ordered):
            groups[piece.segments, key].append(one)
    return groups


def _ordered(piece: Piece) -> Piece:
    """Return a piece with its factors by their names."""
    order = sorted(range(len(piece.factors)), key=lambda number: piece.factors[number].key)
    if order == list(range(len(order))):
        return piece
    return _reordered(piece, order)


def _reordered(piece: Piece, order: Sequence[int]) -> Piece:
    numbers = itertools.count()
    names = [[f"f{next(numbers)}" for _ in range(entry.atoms)] for entry in piece.factors]
    old = ", ".join(name for group in names for name in group)
    new = ", ".join(name for number in order for name in names[number])
    relation = piece.relation.apply_range(isl.Map(f"{{ [{old}] -> [{new}] }}"))
    return Piece(piece.segments, piece.coefficient, tuple(piece.factors[number] for number in order), relation)


def _symmetric(piece: Piece) -> Iterator[Piece]:
    """Yield a piece in parts in which equal factors stand in the order of their entries."""
    equal = next((n for n in range(len(piece.factors) - 1) if piece.factors[n].key == piece.factors[n + 1].key), None)
    if equal is None:
        yield piece
        return
    groups = [list(group) for _, group in itertools.groupby(range(len(piece.factors)), lambda n: piece.factors[n].key)]
    # Every order of equal factors, cut to where it is the sorted one.
    orders = [list(itertools.permutations(group)) for group in groups]
    rest = piece
    sorted_so_far = _sorted_set(piece, groups)
    for choice in itertools.product(*orders):
        turned = _reordered(rest, [number for group in choice for number in group])
        part = turned.relation.intersect_range(sorted_so_far)
        if part.is_empty():
            continue
        yield Piece(piece.segments, piece.coefficient, piece.factors, part)
        # What has been sorted does not come again in another order.
        back = _reordered(Piece(piece.segments, 1, turned.factors, part), _inverse([n for g in choice for n in g]))
        rest = Piece(piece.segments, piece.coefficient, piece.factors, rest.relation.subtract(back.relation))
        if rest.relation.is_empty():
            return


def _inverse(order: Sequence[int]) -> list[int]:
    result = [0] * len(order)
    for place, number in enumerate(order):
        result[number] = place
    return result


def _sorted_set(piece: Piece, groups: Sequence[Sequence[int]]) -> Any:
    """Return the entries in which equal factors stand in lexicographic order."""
    numbers = itertools.count()
    names = [[f"f{next(numbers)}" for _ in range(entry.atoms)] for entry in piece.factors]
    conditions = []
    for group in groups:
        for first, second in itertools.pairwise(group):
            cases = []
            for place in range(len(names[first])):
                equal = [f"{a} = {b}" for a, b in zip(names[first][:place], names[second][:place], strict=True)]
                cases.append(" and ".join((*equal, f"{names[first][place]} < {names[second][place]}")))
            equal = [f"{a} = {b}" for a, b in zip(names[first], names[second], strict=True)]
            cases.append(" and ".join(equal) or "true")
            conditions.append("(" + " or ".join(f"({case})" for case in cases) + ")")
    flat = ", ".join(name for group in names for name in group)
    return isl.Set(f"{{ [{flat}] : {' and '.join(conditions)} }}")


def added(terms: Sequence[tuple[Any, Any]], sizes: Sizes) -> list[tuple[Any, Any]]:
    """Return terms that overlap nowhere and add up to the same: a coefficient and a relation each."""
    done: list[tuple[Any, Any]] = []
    for coefficient, relation in terms:
        rest, added = relation.intersect_params(sizes.context), []
        for other, place in done:
            if rest.is_empty():
                added.append((other, place))
                continue
            both = place.intersect(rest)
            if both.is_empty():
                added.append((other, place))
                continue
            alone = place.subtract(both)
            if not alone.is_empty():
                added.append((other, alone.coalesce()))
            total = other + coefficient
            if not is_zero(total):
                added.append((total, both))
            rest = rest.subtract(both)
        if not rest.is_empty():
            added.append((coefficient, rest.coalesce()))
        done = added
    return done
