"""Single entries of tensors for all sizes, at one size: what torch's results are held against after a proof.

A relation is enumerated at one place only, so that long sums can be held as well; what operators make is computed entry
by entry, by torch, of entries of their arguments.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import islpy as isl
import sympy
import torch
from torch import Tensor

from convcheck.all_sizes.evaluate import symbols_at
from convcheck.all_sizes.operators import compute, jumps_near
from convcheck.all_sizes.pieces import Axis, Entry, Piece, Source
from convcheck.all_sizes.points import at as where
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.sources import Made, Sources
from convcheck.all_sizes.terms import Column, Terms, plus
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import NUMBERS
from convcheck.sizes.places import unravelled

Place = tuple[int, ...]
Counting = tuple[int, Sequence[tuple[int, int]], Sequence[Fraction | int] | None]
"""The number of a first entry, the length and the stride of every atom, and the values where they are given."""


class TooMany(CannotProve):
    """More terms than a second look takes."""


@dataclass
class Entries:
    """Entries of tensors at one size: `at` has the lengths by their symbols, `tensors` the inputs and weights by name.

    `terms_left` is how many terms of sums may still be added.

    Raises:
        CannotProve: the sizes are not among those that are spoken of.
    """

    sources: Sources
    at: Mapping[str, int]
    tensors: Mapping[str, Tensor]
    terms_left: int = 0
    _coefficients: dict[int, tuple[Piece, Fraction | int]] = field(default_factory=dict)
    _relations: dict[int, tuple[Piece, Terms]] = field(default_factory=dict)
    _made: dict[tuple[str, int], Fraction] = field(default_factory=dict)
    _counted: dict[int, tuple[Entry, Counting]] = field(default_factory=dict)
    _axes: dict[Axis, list[tuple[int, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._symbols = symbols_at(self.sources.sizes, self.at)
        self._here = where({str(symbol): one for symbol, one in self._symbols.items()})

    def shape(self, value: Value) -> Place:
        """Return the shape of a tensor."""
        return self._shape(value.axes)

    def _shape(self, axes: Sequence[Axis]) -> Place:
        return tuple(sum(map(math.prod, self._lengths(axis))) for axis in axes)

    def entry(self, value: Value, place: Place) -> Fraction | int:
        """Return one entry.

        Raises:
            TooMany: the limit of terms is passed.
            CannotProve: it is no finite number.
        """
        total: Fraction | int = 0
        for piece in value.pieces:
            atoms = self._atoms(value.axes, piece.segments, place)
            if atoms is None:
                continue
            if id(piece) not in self._coefficients:
                self._coefficients[id(piece)] = piece, self._coefficient(piece)
            count, columns = self._terms(piece, atoms)
            if not count:
                continue
            rest, products = iter(columns), list[Fraction | int]([1] * count)
            for entry in piece.factors:
                factor = self._factor(entry, list(itertools.islice(rest, entry.atoms)), count)
                products = [product * one for product, one in zip(products, factor, strict=True)]
            total += self._coefficients[id(piece)][1] * sum(products)
        return total

    def _coefficient(self, piece: Piece) -> Fraction | int:
        number = sympy.sympify(piece.coefficient).xreplace(self._symbols)
        if number.is_Integer:
            return int(number)
        return Fraction(int(number.p), int(number.q)) if number.is_Rational else Fraction(float(number))

    def _terms(self, piece: Piece, atoms: Sequence[int]) -> tuple[int, Sequence[Column]]:
        """Return how many terms there are at one index, and the atoms of all factors in each of them."""
        terms = self._at_size(piece)
        if not all(low <= atom <= high for low, atom, high in zip(terms.lows, atoms, terms.highs, strict=True)):
            return 0, []
        points: list[Any] = []

        def add(point: Any) -> Any:
            points.append(point)
            # No exception goes through isl, so the points are read behind it.
            return isl.stat.error if len(points) > self.terms_left else None

        try:
            terms.relation.intersect_domain(_set_of(tuple(atoms))).range().foreach_point(add)
        except isl.Error:
            if len(points) > self.terms_left:
                raise TooMany("a sum of too many terms") from None
            raise
        self.terms_left -= len(points)
        return len(points), terms.columns(points, atoms)

    def _at_size(self, piece: Piece) -> Terms:
        """Return the terms of a piece at this size."""
        if id(piece) not in self._relations:
            relation = piece.relation.intersect_params(self._here)
            relation = relation.project_out(isl.dim_type.param, 0, relation.dim(isl.dim_type.param))
            self._relations[id(piece)] = piece, Terms.of(relation)
        return self._relations[id(piece)][1]

    def _factor(self, entry: Entry, columns: Sequence[Column], count: int) -> Sequence[Fraction | int]:
        """Return a factor in all terms, `count` of them, of which `columns` have the atoms, one after the other."""
        if entry.source == NUMBERS:
            return [columns[0]] * count if isinstance(columns[0], int) else columns[0]
        if id(entry) not in self._counted:
            self._counted[id(entry)] = entry, self._counting(entry)
        start, steps, values = self._counted[id(entry)][1]
        places: Column = start
        for column, (length, stride) in zip(columns, steps, strict=True):
            low, high = (column, column) if isinstance(column, int) else (min(column), max(column))
            assert low >= 0, "an entry lies outside its tensor"
            assert high < length, "an entry lies outside its tensor"
            places = plus(places, stride, column)
        places = [places] * count if isinstance(places, int) else places
        if values is not None:
            return [values[place] for place in places]
        return [self._entry_made(entry.source, place) for place in places]

    def _entry_made(self, source: Source, number: int) -> Fraction:
        name = source.name
        if name not in self.sources.made:
            raise CannotProve(f"computes with {name}")
        if (name, number) not in self._made:
            place = unravelled(number, self._shape(source.axes))
            self._made[name, number] = self._computed(self.sources.made[name], place)
        return self._made[name, number]

    def _counting(self, entry: Entry) -> Counting:
        """Return how the entries of a source are counted by the atoms of the segments that are read."""
        shape, start, steps = self._shape(entry.source.axes), 0, list[tuple[int, int]]()
        for place, (axis, segment) in enumerate(zip(entry.source.axes, entry.segments, strict=True)):
            lengths, stride = self._lengths(axis), math.prod(shape[place + 1 :])
            start += sum(map(math.prod, lengths[:segment])) * stride
            for number, length in enumerate(lengths[segment]):
                steps.append((length, math.prod(lengths[segment][number + 1 :]) * stride))
        tensor = self.tensors.get(entry.source.name)
        values = None if tensor is None else _exact(tensor)
        return start, steps, values

    def _computed(self, made: Made, place: Place) -> Fraction:
        """Return what an operator makes at one place. Raises CannotProve if it is no finite number."""
        outer = place[: len(place) - len(made.beside)]
        options: Any = made.options
        if isinstance(options, sympy.Basic):
            options = int(options.xreplace(self._symbols))
        elif isinstance(options, tuple):
            options = tuple(one.xreplace(self._symbols) if isinstance(one, sympy.Basic) else one for one in options)
        arguments = []
        for value in made.arguments:
            inner = self.shape(value)[len(outer) :] if not made.beside else ()
            numbers = [float(self.entry(value, (*outer, *rest))) for rest in itertools.product(*map(range, inner))]
            if self._is_rounded(value) and any(jumps_near(made.operator, one) for one in numbers):
                raise CannotProve(f"rounding decides what {made.operator} makes")
            arguments.append(torch.tensor(numbers, dtype=torch.float64).reshape(inner))
        result = compute(made.operator, options, *arguments)[place[len(outer) :]].item()
        if not math.isfinite(result):
            raise CannotProve(f"{made.operator} makes {result}")
        return Fraction(result)

    def _is_rounded(self, value: Value) -> bool:
        """Tell whether entries are no whole numbers, so that torch rounds them."""
        whole = all(isinstance(self._coefficient(piece), int) for piece in value.pieces)
        made = any(entry.source.name in self.sources.made for piece in value.pieces for entry in piece.factors)
        return made or not whole

    def _lengths(self, axis: Axis) -> list[tuple[int, ...]]:
        if axis not in self._axes:
            self._axes[axis] = [tuple(int(size.xreplace(self._symbols)) for size in segment) for segment in axis]
        return self._axes[axis]

    def _atoms(self, axes: Sequence[Axis], segments: Sequence[int], place: Place) -> list[int] | None:
        """Return the atoms of an index in one segment of every axis; None if it is in others."""
        atoms: list[int] = []
        for axis, segment, number in zip(axes, segments, place, strict=True):
            lengths = self._lengths(axis)
            number -= sum(map(math.prod, lengths[:segment]))
            if not 0 <= number < math.prod(lengths[segment]):
                return None
            atoms += unravelled(number, lengths[segment])
        return atoms


@lru_cache(maxsize=64)
def _set_of(atoms: tuple[int, ...]) -> Any:
    """Return the set of one index. All pieces of a value are asked about it."""
    return isl.Set("{ [" + ", ".join(map(str, atoms)) + "] }")


def _exact(tensor: Tensor) -> list[Fraction | int]:
    """Return all entries of a tensor, as whole numbers where they are."""
    whole = tensor.long()
    if bool((whole == tensor).all()):
        return list(whole.flatten().tolist())
    return [int(one) if one == int(one) else Fraction(one) for one in tensor.flatten().tolist()]
