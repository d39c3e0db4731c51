"""A tensor for all sizes in index notation: `y[b, o, h, w] += weight[o, i, p, q] * x[b, i, 4h + p, 4w + q]`.

Repeated indices are summed, over all places at which every index is inside its tensor and the condition holds that may
follow. A length is called as its axis, in capitals.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.axes import FreeAxis
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.compare import normal
from convcheck.all_sizes.exploring import Region
from convcheck.all_sizes.sources import Made
from convcheck.all_sizes.trace import INPUT
from convcheck.all_sizes.value import Axis, Entry, Value, box_at, length
from convcheck.all_sizes.whole_numbers import NUMBERS
from convcheck.all_sizes.wording import Words
from convcheck.results import Sides

OUTPUT = "y"
MOST_LINES = 60
LARGEST_DENOMINATOR = 10_000
KERNEL = "pqr"
"""What a weight's indices from the third on are called where they are summed."""
OTHERS = ("j", "k", "l", "m", "n", "s", "t", "u", "v", *(f"n{number}" for number in range(1000)))
"""What further indices are called."""


@dataclass(frozen=True)
class Notation:
    """Both sides of a claim on one path, and what their axes are called."""

    both: Both
    axes: Sequence[FreeAxis]
    region: Region

    def sides(self) -> Sides[tuple[str, ...]]:
        """Return what each side is, a line a piece."""
        values = self.region.values
        return Sides(self.lines(values.reference), self.lines(values.candidate))

    def lines(self, value: Value) -> tuple[str, ...]:
        """Return what a tensor is, and what the sources are that operators make for it."""
        lines, made, todo = [], set(), [(OUTPUT, value)]
        for name, one in todo:
            found = sorted(self._lines(name, one))
            lines += found or [f"{name} = 0"]
            for entry in dict.fromkeys(entry for piece in one.pieces for entry in piece.factors):
                source = entry.source
                if source.name in made or source.name not in self.region.sources.made:
                    continue
                made.add(source.name)
                how = self.region.sources.made[source.name]
                arguments = [f"{source.name}.{number}" for number, _ in enumerate(how.arguments, 1)]
                lines.append(_making(source.name, how, arguments))
                todo += zip(arguments, how.arguments, strict=True)
        more = len(lines) - MOST_LINES
        return (*lines[:MOST_LINES], f"and {more} more lines") if more > 0 else tuple(lines)

    def _lines(self, name: str, value: Value) -> Iterator[str]:
        entries = {entry.key: entry for piece in value.pieces for entry in piece.factors}
        for segments, terms in normal(value).items():
            for keys, parts in terms.items():
                factors = [entries[key] for key in keys]
                for coefficient, relation in parts:
                    yield from self._pieces(name, value, segments, factors, coefficient, relation)

    def _pieces(
        self,
        name: str,
        value: Value,
        segments: Sequence[int],
        factors: Sequence[Entry],
        coefficient: Any,
        relation: Any,
    ) -> Iterator[str]:
        """Yield a line for every convex part of a relation."""
        inside = self._inside(value, segments, factors).intersect_params(value.sizes.context)
        plain = relation.gist(inside).coalesce()
        for basic in plain.get_basic_maps():
            whole = isl.Map.from_basic_map(basic).intersect(inside)
            for one in whole.compute_divs().coalesce().get_basic_maps() if basic.dim(isl.dim_type.div) else [None]:
                part = whole if one is None else isl.Map.from_basic_map(one)
                line = _Line(self, name, value, tuple(segments), tuple(factors), coefficient, part, inside)
                yield line.text()

    def _inside(self, value: Value, segments: Sequence[int], factors: Sequence[Entry]) -> Any:
        """Return the relation of all indices that are inside their tensors."""
        sizes = value.sizes
        known = [(e.source.axes, e.segments) for e in factors if e.source != NUMBERS]
        boxes = box_at(sizes, [axis for axes, _ in known for axis in axes], [n for _, at in known for n in at])
        if any(entry.source == NUMBERS for entry in factors):
            boxes = isl.Set.universe(isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, sum(e.atoms for e in factors)))
        return isl.Map.from_domain_and_range(box_at(sizes, value.axes, segments), boxes)

    def length_names(self) -> dict[str, str]:
        """Return what the lengths of axes are called, by their symbols."""
        return {axis.symbol: _length_name(axis.name) for axis in self.axes}

    def index_names(self, tensor: str, rank: int) -> list[str | None]:
        """Return what the indices of a tensor are called, as far as that is known."""
        side = self.both.sides.reference
        if tensor == OUTPUT:
            return _short(side.output_axes, rank)
        if tensor.startswith(INPUT):
            symbols = {axis.symbol: axis.name for axis in self.axes}
            names = [symbols.get(str(one)) for one in self.region.trace.path.lengths.get(tensor, ())]
            return _short(names, rank)
        if tensor in side.parameters and rank > 1:
            return [None, "i", *KERNEL[: rank - 2], *(None for _ in range(rank - 2 - len(KERNEL)))]
        return [None] * rank

    def tensor_name(self, tensor: str) -> str:
        """Return what a tensor is called: `x` for the one input."""
        if not tensor.startswith(INPUT):
            return tensor
        return "x" if len(self.both.sides.reference.inputs) == 1 else f"x{tensor.removeprefix(INPUT)}"


@dataclass(frozen=True)
class _Line:
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
        names, summed, expressions = self._outputs(), [], {}
        known = self._domain(self.inside, ())
        for place in self._order():
            aff = self._function(summed, place)
            if aff is None:
                names.append(self._fresh(place, names))
                summed.append(place)
                expressions[place] = names[-1]
                known = self._domain(self.inside, summed).intersect(_wide(known, 1))
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
        box = self.inside.range()
        count = box.dim(isl.dim_type.set)
        box = box.project_out(isl.dim_type.set, place + 1, count - place - 1).project_out(isl.dim_type.set, 0, place)
        return isl.Map.from_basic_map(isl.BasicMap.from_aff(aff)).intersect_range(box).domain()

    @cached_property
    def _words(self) -> Words:
        return Words(self.value.sizes, (), self.notation.length_names())

    def _outputs(self) -> list[str]:
        """Return names for the atoms of the output's index."""
        known = self.notation.index_names(self.name, self.value.rank)
        names: list[str] = []
        taken = {name for name in known if name is not None}
        for axis, segment, name in zip(self.value.axes, self.segments, known, strict=True):
            atoms = axis[segment]
            first = max(range(len(atoms)), key=lambda n: (not atoms[n].is_Integer, -n), default=0)
            for number in range(len(atoms)):
                if number == first and name is not None and name not in names:
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
                if name != "0" or len(names) == 1:
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


def _wide(known: Any, more: int) -> Any:
    """Return a set with more indices behind its own."""
    return known.insert_dims(isl.dim_type.set, known.dim(isl.dim_type.set), more)


def _making(name: str, how: Made, arguments: Sequence[str]) -> str:
    options = "" if how.options in ((), None) else f", {_plain(how.options)}"
    return f"{name}[...] = {how.operator}({', '.join(f'{one}[...]' for one in arguments)}{options})"


def _plain(options: Any) -> str:
    return ", ".join(map(str, options)) if isinstance(options, tuple) else str(options)


def _times(stride: str, name: str) -> str:
    if stride == "1":
        return name
    bracketed = f"({name})" if " " in name else name
    return f"{stride}{bracketed}" if stride.isdigit() and len(name) == 1 else f"{stride} {bracketed}"


def _short(names: Sequence[str | None], rank: int) -> list[str | None]:
    """Return names of axes that may be names of indices: letters."""
    if len(names) != rank:
        return [None] * rank
    return [name if name is not None and name.isalpha() else None for name in names]


def _length_name(name: str) -> str:
    return name.upper() if len(name) == 1 else f"|{name}|"
