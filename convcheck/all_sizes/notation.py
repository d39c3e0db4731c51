"""A tensor for all sizes in index notation: `y[b, o, h, w] += weight[o, i, p, q] * x[b, i, 4h + p, 4w + q]`.

Repeated indices are summed, over all places at which every index is inside its tensor and the condition holds that may
follow. A length is called as its axis, in capitals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import islpy as isl

from convcheck.all_sizes.axes import FreeAxis
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.compare import normal
from convcheck.all_sizes.notation_line import Line
from convcheck.all_sizes.pieces import Entry, box_at
from convcheck.all_sizes.regions import Region
from convcheck.all_sizes.sources import Made
from convcheck.all_sizes.trace import INPUT, symbol
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import NUMBERS
from convcheck.results import Sides

OUTPUT = "y"
MOST_LINES = 60
KERNEL = "pqr"
"""What a weight's indices from the third on are called where they are summed."""


@dataclass(frozen=True)
class Notation:
    """Both sides of a claim on one path, and what their axes are called."""

    both: Both
    axes: Sequence[FreeAxis]
    region: Region
    _written: dict[Any, list[tuple[Any, Sequence[str]]]] = field(default_factory=dict, compare=False)

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
                for coefficient, relation in _by_coefficient(parts):
                    yield from self._pieces(name, value, tuple(segments), tuple(factors), coefficient, relation)

    def _pieces(
        self,
        name: str,
        value: Value,
        segments: tuple[int, ...],
        factors: tuple[Entry, ...],
        coefficient: Any,
        relation: Any,
    ) -> Sequence[str]:
        """Return a line for every convex part of a relation. What both sides have alike is written once."""
        key = name, value.axes, segments, tuple(entry.key for entry in factors), coefficient
        written = self._written.setdefault(key, [])
        for same, lines in written:
            if same.plain_is_equal(relation):
                return lines
        inside = self._inside(value, segments, factors).intersect_params(_convex(value.sizes.context))
        parts = self._parts(relation, inside.intersect_params(value.sizes.context))
        lines = [
            Line(self, name, value, segments, factors, coefficient, part.intersect(inside), inside).text()
            for part in parts
        ]
        written.append((relation, lines))
        return lines

    @staticmethod
    def _parts(relation: Any, inside: Any) -> Iterator[Any]:
        """Yield the convex parts of a relation: one, if what it leaves out is outside of all tensors."""
        relation = relation.intersect(inside)
        for hull in (isl.Map.affine_hull, isl.Map.unshifted_simple_hull, isl.Map.simple_hull):
            whole = isl.Map.from_basic_map(hull(relation))
            if whole.intersect(inside).is_subset(relation):
                yield whole
                return
        yield from map(isl.Map.from_basic_map, relation.compute_divs().coalesce().get_basic_maps())

    def _inside(self, value: Value, segments: Sequence[int], factors: Sequence[Entry]) -> Any:
        """Return the relation of all indices that are inside their tensors."""
        sizes = value.sizes
        known = [(e.source.axes, e.segments) for e in factors if e.source != NUMBERS]
        boxes = box_at(sizes, [axis for axes, _ in known for axis in axes], [n for _, at in known for n in at])
        if any(entry.source == NUMBERS for entry in factors):
            boxes = isl.Set.universe(isl.Space.set_alloc(isl.DEFAULT_CONTEXT, 0, sum(e.atoms for e in factors)))
        return isl.Map.from_domain_and_range(box_at(sizes, value.axes, segments), boxes)

    @cached_property
    def length_names(self) -> dict[str, str]:
        """Return what lengths are called, by their symbols: as their axes, in capitals."""
        names = {
            str(one): f"|{tensor}.{axis}|"
            for tensor, shape in self.region.trace.path.lengths.items()
            for axis, one in enumerate(shape)
        }
        for axis in self.axes:
            names[axis.symbol] = axis.name.upper() if len(axis.name) == 1 else f"|{axis.name}|"
        for axis in self.axes:
            number, rest = self.region.sizes.size(symbol(axis.symbol)).as_coeff_Mul()
            if rest.is_Symbol and str(rest) != axis.symbol:
                names[str(rest)] = names[axis.symbol] if number == 1 else f"{names[axis.symbol]}/{number}"
        return names

    def index_names(self, tensor: str, rank: int) -> list[str | None]:
        """Return what the indices of a tensor are called, as far as that is known."""
        side = self.both.sides.reference
        if tensor == OUTPUT:
            return _short(side.output_axes, rank)
        if tensor.startswith(INPUT):
            symbols = {axis.symbol: axis.name for axis in self.axes}
            names = [symbols.get(str(one)) for one in self.region.trace.path.lengths.get(tensor, ())]
            return _short(names, rank)
        groups = side.parameter_axes.get(tensor, ())
        named = [groups[axis][-1] if axis < len(groups) and groups[axis] else "" for axis in range(rank)]
        usual = ["o", "i", *KERNEL] if tensor in side.parameters and rank > 1 else []
        usual += [""] * (rank - len(usual))
        return [(one if len(one) == 1 else other) or None for one, other in zip(named, usual[:rank], strict=True)]

    def tensor_name(self, tensor: str) -> str:
        """Return what a tensor is called: `x` for the one input."""
        if not tensor.startswith(INPUT):
            return tensor
        return "x" if len(self.both.sides.reference.inputs) == 1 else f"x{tensor.removeprefix(INPUT)}"


def _by_coefficient(parts: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return all relations with the same coefficient as one."""
    found: dict[Any, Any] = {}
    for coefficient, relation in parts:
        found[coefficient] = found[coefficient].union(relation) if coefficient in found else relation
    return list(found.items())


def _convex(sizes: Any) -> Any:
    return isl.Set.from_basic_set(sizes.unshifted_simple_hull())


def _making(name: str, how: Made, arguments: Sequence[str]) -> str:
    options = "" if how.options in ((), None) else f", {_plain(how.options)}"
    return f"{name}[...] = {how.operator}({', '.join(f'{one}[...]' for one in arguments)}{options})"


def _plain(options: Any) -> str:
    return ", ".join(map(str, options)) if isinstance(options, tuple) else str(options)


def _short(names: Sequence[str | None], rank: int) -> list[str | None]:
    """Return names of axes that may be names of indices: letters."""
    if len(names) != rank:
        return [None] * rank
    return [name if name is not None and name.isalpha() else None for name in names]
