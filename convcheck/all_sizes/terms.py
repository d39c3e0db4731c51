"""The terms of a sum at one size: only what no equation gives is enumerated, and the rest is computed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import islpy as isl

KINDS = isl.dim_type.in_, isl.dim_type.out, isl.dim_type.div
"""What an equation may have multiples of: the index's atoms, those of factors, and quotients."""
Column = int | Sequence[int]
"""One atom in all terms: a number where it is the same in each."""


@dataclass(frozen=True)
class Equation:
    """An atom of a factor as a sum: a number, and multiples of the index's atoms and of the factors' ones before."""

    start: int
    index: Mapping[int, int]
    before: Mapping[int, int]


@dataclass(frozen=True)
class Terms:
    """The relation between the atoms of an index and those of all factors that no equation gives."""

    relation: Any
    equations: Mapping[int, Equation]
    lows: Sequence[int]
    highs: Sequence[int]
    """Between which atoms of an index there are terms."""

    @classmethod
    def of(cls, relation: Any) -> Terms:
        """Return the terms of a relation without parameters."""
        domain, numbers = relation.domain(), range(relation.dim(isl.dim_type.in_))
        empty = bool(domain.is_empty())
        lows = [1 if empty else domain.dim_min_val(number).get_num_si() for number in numbers]
        highs = [0 if empty else domain.dim_max_val(number).get_num_si() for number in numbers]
        equations = _equations(relation)
        for number in sorted(equations, reverse=True):
            relation = relation.project_out(isl.dim_type.out, number, 1)
        return cls(relation, equations, lows, highs)

    def columns(self, points: Sequence[Any], atoms: Sequence[int]) -> Sequence[Column]:
        """Return all atoms of the factors at points of the relation, for the index that has these `atoms`."""
        count = self.relation.dim(isl.dim_type.out)
        enumerated = iter(range(count))
        columns: list[Column] = []
        for number in range(count + len(self.equations)):
            equation = self.equations.get(number)
            if equation is None:
                place = next(enumerated)
                columns.append([one.get_coordinate_val(isl.dim_type.set, place).get_num_si() for one in points])
                continue
            column: Column = equation.start + sum(factor * atoms[n] for n, factor in equation.index.items())
            for place, factor in equation.before.items():
                column = plus(column, factor, columns[place])
            columns.append(column)
        return columns


def plus(column: Column, factor: int, other: Column) -> Column:
    """Return one column and a multiple of another, added."""
    if isinstance(other, int):
        more = factor * other
        return column + more if isinstance(column, int) else [one + more for one in column]
    if isinstance(column, int):
        return [column + factor * one for one in other]
    return [one + factor * two for one, two in zip(column, other, strict=True)]


def _equations(relation: Any) -> dict[int, Equation]:
    """Return equations that hold in a relation, by the place of the atom that each gives: the last one in it."""
    found: dict[int, Equation] = {}
    for constraint in relation.affine_hull().get_constraints():
        index, factors, divs = (_coefficients(constraint, kind) for kind in KINDS)
        last = max(factors, default=None)
        if not constraint.is_equality() or divs or last is None or abs(factors[last]) != 1:
            continue
        sign = -factors.pop(last)
        start = sign * constraint.get_constant_val().get_num_si()
        found[last] = Equation(start, _times(sign, index), _times(sign, factors))
    return found


def _coefficients(constraint: Any, kind: Any) -> dict[int, int]:
    """Return what is not 0 of the coefficients of a constraint, by the places of what they are multiplied with."""
    numbers = ((n, constraint.get_coefficient_val(kind, n).get_num_si()) for n in range(constraint.dim(kind)))
    return {n: number for n, number in numbers if number}


def _times(factor: int, numbers: Mapping[int, int]) -> dict[int, int]:
    return {place: factor * number for place, number in numbers.items()}
