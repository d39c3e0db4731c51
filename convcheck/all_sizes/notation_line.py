"""One line of index notation: how an entry depends on those that it is a sum of products of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import islpy as isl
import sympy

from convcheck.all_sizes.pieces import Axis, Entry, length
from convcheck.all_sizes.trace import INPUT
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import NUMBERS
from convcheck.all_sizes.wording import Words

if TYPE_CHECKING:
    from convcheck.all_sizes.notation import Notation

LARGEST_DENOMINATOR = 10_000
OTHERS = ("j", "k", "l", "m", "n", "s", "t", "u", "v", *(f"n{number}" for number in range(1000)))
"""What further indices are called."""


@dataclass(frozen=True)
class Line:
    """One convex relation between an entry and those that it is a sum of products of."""

    notation: Notation
    name: str
    value: Value
    segments: tuple[int, ...]
    factors: tuple[Entry, ...]
    coefficient: Any
    relation: Any
    inside: Any

    def text(self) -> str:
        """Return the line."""
        names, summed, expressions = self._outputs(), list[int](), dict[int, str]()
        bounds = self._bounds()
        known = self._domain(bounds, ())
        for atom, name in enumerate(names):
            if name.isdigit():
                known = known.fix_val(isl.dim_type.set, atom, isl.Val(int(name)))
        for place in self._order():
            aff = self._function(summed, place)
            if aff is None:
                names.append(self._fresh(place, names))
                summed.append(place)
                expressions[place] = names[-1]
                known = self._domain(bounds, summed).intersect(_wide(known, 1))
            else:
                expressions[place] = replace(self._words, indices=names).expression(
                    aff, self._domain(self.relation, summed)
                )
                known = known.intersect(self._inside(aff, place))
        count = len(names) - len(summed)
        left = f"{self.name}[{', '.join(self._axes_text(self.value.axes, self.segments, names[:count]))}]"
        right = [self._factor(number, expressions) for number in self._weights_first()]
        sign, number = self._coefficient()
        if number != "1" or not right:
            right.insert(0, number)
        where = self._conditions(self._domain(self.relation, summed).gist(known), names)
        return f"{left} {sign}= {' * '.join(right)}" + (f" where {where}" if where else "")

    def _bounds(self) -> Any:
        """Return the relation of all indices that are inside, where a reader sees so: not of parts of an axis."""
        inside, outside = isl.dim_type.in_, isl.dim_type.out
        parts = [(inside, place) for place in _parts(self.value.axes, self.segments)]
        start = 0
        for entry in self.factors:
            parts += [(outside, start + place) for place in _parts(entry.source.axes, entry.segments)]
            start += entry.atoms
        bounds = self.inside
        for kind, place in parts:
            bounds = bounds.drop_constraints_involving_dims(kind, place, 1).lower_bound_val(kind, place, isl.Val(0))
        return bounds

    def _moved(self, relation: Any, summed: Sequence[int]) -> Any:
        """Return a relation with some indices of factors behind those of the output."""
        inside, outside = isl.dim_type.in_, isl.dim_type.out
        for number, place in enumerate(summed):
            before = sum(1 for earlier in summed[:number] if earlier < place)
            relation = relation.move_dims(inside, relation.dim(inside), outside, place - before, 1)
        return relation

    def _domain(self, relation: Any, summed: Sequence[int]) -> Any:
        """Return the set of the output's indices and some of the factors' ones that a relation holds."""
        return self._moved(relation, summed).domain()

    def _function(self, summed: Sequence[int], place: int) -> Any:
        """Return an index as an isl.Aff of those before; None if they do not determine it, or not by one expression."""
        outside = isl.dim_type.out
        relation = self._moved(self.relation, summed)
        here = place - sum(1 for one in summed if one < place)
        relation = relation.project_out(outside, here + 1, relation.dim(outside) - here - 1)
        relation = relation.project_out(outside, 0, here)
        if not relation.is_single_valued():
            return None
        pieces: list[Any] = []
        function = isl.PwMultiAff.from_map(relation).coalesce()
        function.foreach_piece(lambda _, aff: pieces.append(aff.get_at(0)))
        return pieces[0] if len(pieces) == 1 else None

    def _inside(self, aff: Any, place: int) -> Any:
        """Return where an index that is a function of others is inside its tensor."""
        box = self._boxes
        count = box.dim(isl.dim_type.set)
        box = box.project_out(isl.dim_type.set, place + 1, count - place - 1).project_out(isl.dim_type.set, 0, place)
        return isl.Map.from_basic_map(isl.BasicMap.from_aff(aff)).intersect_range(box).domain()

    @cached_property
    def _boxes(self) -> Any:
        """The indices that are inside the factors' tensors."""
        return self.inside.range()

    @cached_property
    def _words(self) -> Words:
        return Words(self.value.sizes, (), self.notation.length_names)

    def _outputs(self) -> list[str]:
        """Return names for the atoms of the output's index, or the numbers that they are."""
        known = self.notation.index_names(self.name, self.value.rank)
        names: list[str] = []
        taken = {name for name in known if name is not None}
        domain = self.relation.domain()
        for axis, segment, name in zip(self.value.axes, self.segments, known, strict=True):
            atoms = axis[segment]
            first = max(range(len(atoms)), key=lambda n: (not atoms[n].is_Integer, -n), default=0)
            for number in range(len(atoms)):
                low = domain.dim_min_val(len(names))
                if low.is_int() and low.eq(domain.dim_max_val(len(names))):
                    names.append(str(low))
                elif number == first and name is not None and name not in names:
                    names.append(name)
                else:
                    names.append(next(one for one in OTHERS if one not in taken and one not in names))
        return names

    def _starts(self) -> list[int]:
        return [0, *itertools.accumulate(entry.atoms for entry in self.factors)]

    def _order(self) -> list[int]:
        """Return the places of all indices of factors, those of weights first."""
        starts = self._starts()
        return [place for number in self._weights_first() for place in range(starts[number], starts[number + 1])]

    def _weights_first(self) -> list[int]:
        """Return the numbers of the factors, those of inputs last."""
        return sorted(range(len(self.factors)), key=lambda n: self.factors[n].source.name.startswith(INPUT))

    def _fresh(self, place: int, taken: Sequence[str]) -> str:
        """Return a name for an index that is summed."""
        starts = self._starts()
        number = next(n for n, _ in enumerate(self.factors) if starts[n] <= place < starts[n + 1])
        entry = self.factors[number]
        atoms = [
            axis
            for axis, (whole, segment) in enumerate(zip(entry.source.axes, entry.segments, strict=True))
            for _ in whole[segment]
        ]
        known = self.notation.index_names(entry.source.name, len(entry.source.axes))
        name = known[atoms[place - starts[number]]] if atoms else None
        if name is not None and name not in taken:
            return name
        return next(one for one in OTHERS if one not in taken)

    def _factor(self, number: int, expressions: Mapping[int, str]) -> str:
        entry, start = self.factors[number], self._starts()[number]
        atoms = [expressions[start + place] for place in range(entry.atoms)]
        if entry.source == NUMBERS:
            return f"({atoms[0]})"
        texts = self._axes_text(entry.source.axes, entry.segments, atoms)
        return f"{self.notation.tensor_name(entry.source.name)}[{', '.join(texts)}]"

    def _axes_text(self, axes: Sequence[Axis], segments: Sequence[int], atoms: Sequence[str]) -> Iterator[str]:
        """Yield the index along every axis, from those of its atoms."""
        rest = iter(atoms)
        for axis, segment in zip(axes, segments, strict=True):
            lengths = axis[segment]
            names = list(itertools.islice(rest, len(lengths)))
            terms = []
            if (start := length(axis[:segment])) != 0:
                terms.append(self._words.size(start))
            for place, name in enumerate(names):
                stride = self._words.size(sympy.prod(lengths[place + 1 :])) if lengths[place + 1 :] else "1"
                if name != "0":
                    terms.append(_times(stride, name))
            yield " + ".join(terms) or "0"

    def _coefficient(self) -> tuple[str, str]:
        """Return the sign of the coefficient, and the number: one that is no short fraction as a float of 64 bits."""
        number = sympy.sympify(self.coefficient)
        sign, number = ("-", -number) if number.could_extract_minus_sign() else ("+", number)
        if number.is_Rational and number.q > LARGEST_DENOMINATOR:
            return sign, repr(float(number))
        text = str(number.xreplace({one: sympy.Symbol(self._words.size(one)) for one in number.free_symbols}))
        return sign, text if number.is_Atom or number.is_Rational else f"({text})"

    def _conditions(self, left: Any, names: Sequence[str]) -> str:
        """Return what holds besides that all indices are inside their tensors."""
        words = replace(self._words, indices=names)
        texts = [
            " and ".join(sorted(words.conditions(basic))) for basic in left.compute_divs().coalesce().get_basic_sets()
        ]
        return " or ".join(sorted(text for text in texts if text))


def _parts(axes: Sequence[Axis], segments: Sequence[int]) -> Iterator[int]:
    """Yield the places of all atoms whose lengths are not that of their axis, but for the outermost of one segment."""
    place = 0
    for axis, segment in zip(axes, segments, strict=True):
        for number in range(len(axis[segment])):
            if number or len(axis) > 1:
                yield place
            place += 1


def _wide(known: Any, more: int) -> Any:
    """Return a set with more indices behind its own."""
    return known.insert_dims(isl.dim_type.set, known.dim(isl.dim_type.set), more)


def _times(stride: str, name: str) -> str:
    if "1" in (stride, name):
        return name if stride == "1" else stride
    bracketed = f"({name})" if " " in name else name
    return f"{stride}{bracketed}" if stride.isdigit() and len(name) == 1 else f"{stride} {bracketed}"
