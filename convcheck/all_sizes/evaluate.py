"""Evaluates a tensor for all sizes at one size, by plain enumeration: what readings and proofs are held against.

It shares nothing with the readers and the comparison but the tensor itself, and takes relations entry by entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import islpy as isl
import sympy
import torch
from torch import Tensor

from convcheck.all_sizes.operators import compute
from convcheck.all_sizes.pieces import Axis, Entry, Piece
from convcheck.all_sizes.points import at as where
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import NUMBERS

Point = Mapping[sympy.Symbol, sympy.Integer]
"""The values of all symbols of sizes."""


def evaluate(value: Value, at: Mapping[str, int], tensors: Mapping[str, Tensor]) -> Tensor:
    """Return a tensor at one size, in float64: every sum is exact before it is rounded.

    `at` has the symbols of lengths by their names; `tensors` those that it is made of by their names.

    Raises:
        CannotProve: the sizes are not among those that the tensor is spoken of for.
        KeyError: a tensor is not given.
    """
    point = symbols_at(value.sizes, at)
    axes = [_lengths(axis, point) for axis in value.axes]
    shape = tuple(sum(map(math.prod, axis)) for axis in axes)
    sums: dict[tuple[int, ...], Fraction] = {}
    for piece in value.pieces:
        number = sympy.sympify(piece.coefficient).xreplace(point)
        coefficient = Fraction(int(number.p), int(number.q)) if number.is_Rational else Fraction(float(number))
        # Sizes are put in once, and not for every entry.
        lengths = [
            [_lengths(axis, point) for axis in entry.source.axes if entry.source != NUMBERS] for entry in piece.factors
        ]
        for place, factors in _entries(piece, axes, point):
            term = coefficient
            for entry, one, cut in zip(piece.factors, factors, lengths, strict=True):
                term *= _number(entry, one, cut, tensors)
            sums[place] = sums.get(place, Fraction(0)) + term
    result = torch.zeros(shape, dtype=torch.float64)
    for place, total in sums.items():
        result[place] = float(total)
    return result


def with_made(sources: Sources, at: Mapping[str, int], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that are given and those that operators make of them, as torch does, at one size."""
    every = dict(tensors)
    for name, made in sources.made.items():
        options = made.options
        if made.operator == "one-hot":
            options = int(sympy.sympify(options).xreplace(symbols_at(sources.sizes, at)))
        every[name] = compute(made.operator, options, *(evaluate(one, at, every) for one in made.arguments))
    return every


def symbols_at(sizes: Sizes, at: Mapping[str, int]) -> Point:
    """Return the values of all symbols, quotients among them. Raises CannotProve for sizes that are not spoken of."""
    point = sizes.context.intersect(where(at))
    if point.is_empty():
        raise CannotProve(f"the sizes {dict(at)} are not spoken of")
    count = point.dim(isl.dim_type.param)
    sample = isl.Set.from_params(point).move_dims(isl.dim_type.set, 0, isl.dim_type.param, 0, count).sample_point()
    names = [point.get_dim_name(isl.dim_type.param, number) for number in range(count)]
    values = [sympy.Integer(sample.get_coordinate_val(isl.dim_type.set, number).to_python()) for number in range(count)]
    return {sympy.Symbol(name, integer=True): one for name, one in zip(names, values, strict=True)} | {
        symbol: values[names.index(str(symbol))] for symbol in sizes.lowest if str(symbol) in names
    }


def _lengths(axis: Axis, point: Point) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(size.xreplace(point)) for size in segment) for segment in axis)


def _entries(piece: Piece, axes: Sequence[tuple[tuple[int, ...], ...]], point: Point) -> Any:
    """Return the places of a piece, with the atoms of every factor there."""
    relation = piece.relation.intersect_params(where({str(symbol): one for symbol, one in point.items()}))
    relation = relation.project_out(isl.dim_type.param, 0, relation.dim(isl.dim_type.param))
    inside = relation.dim(isl.dim_type.in_)
    entries: list[tuple[tuple[int, ...], list[tuple[int, ...]]]] = []

    points: list[Any] = []
    # No exception goes through isl, so the points are read behind it.
    relation.wrap().flatten().foreach_point(points.append)
    for one in points:
        count = one.get_space().dim(isl.dim_type.set)
        numbers = [int(one.get_coordinate_val(isl.dim_type.set, n).to_python()) for n in range(count)]
        atoms, place = numbers[:inside], []
        for axis, segment in zip(axes, piece.segments, strict=True):
            lengths = axis[segment]
            place.append(sum(map(math.prod, axis[:segment])) + _flat(atoms[: len(lengths)], lengths))
            atoms = atoms[len(lengths) :]
        rest, factors = numbers[inside:], []
        for entry in piece.factors:
            factors.append(tuple(rest[: entry.atoms]))
            rest = rest[entry.atoms :]
        entries.append((tuple(place), factors))
    return entries


def _flat(atoms: Sequence[int], lengths: Sequence[int]) -> int:
    """Return the number of an entry, from the numbers of its atoms."""
    number = 0
    for atom, length in zip(atoms, lengths, strict=True):
        assert 0 <= atom < length, "an entry lies outside its tensor"
        number = number * length + atom
    return number


def _number(
    entry: Entry, atoms: Sequence[int], lengths: Sequence[tuple[tuple[int, ...], ...]], tensors: Mapping[str, Tensor]
) -> Fraction:
    """Return an entry of a factor, whose axes have these lengths of atoms."""
    if entry.source == NUMBERS:
        return Fraction(atoms[0])
    place, rest = [], list(atoms)
    for axis, segment in zip(lengths, entry.segments, strict=True):
        size = len(axis[segment])
        place.append(sum(map(math.prod, axis[:segment])) + _flat(rest[:size], axis[segment]))
        rest = rest[size:]
    return Fraction(tensors[entry.source.name][tuple(place)].item())
