"""What tensors are made of: inputs, weights, constants, and what operators make that are no polynomials."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import islpy as isl
import sympy
from torch import Tensor

from convcheck.all_sizes.compare import normal
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.matching import Normal, Segments, equal_entries, equal_sets, function
from convcheck.all_sizes.new_values import constant, of_source, source
from convcheck.all_sizes.numbers import fraction
from convcheck.all_sizes.pieces import Axis, Piece, Source, axis_of, box_at, places
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.rows import alike, inside_of, is_root, rows, through
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.value import Value

MOST_ENTRIES = 4096
"""A constant tensor with more entries than this that are not zero is not read."""


class Made(NamedTuple):
    """How a source is made: by an operator and its options, of tensors; with more axes behind theirs."""

    operator: str
    options: Hashable
    arguments: tuple[Value, ...]
    beside: tuple[Axis, ...]


class Application(NamedTuple):
    """The axes of the arguments of an operator, the arguments, and the result."""

    axes: tuple[Axis, ...]
    forms: tuple[Normal, ...]
    result: Value


INFINITE = frozenset(("largest", "log", "log1p", "pow", "power", "reciprocal"))
"""Functions that make infinite numbers, or none, of finite ones, other than by overflow."""


@dataclass
class Sources:
    """The sources of one graph."""

    sizes: Sizes
    made: dict[str, Made] = field(default_factory=dict)
    """Of every source that an operator makes, but for what is equal to nothing."""
    _applied: dict[Hashable, list[Application]] = field(default_factory=lambda: defaultdict(list))
    _count: int = 0

    def may_be_infinite(self, value: Value) -> str | None:
        """Return the operator on the way to a tensor that may make infinite numbers; None if there is none."""
        for name in dict.fromkeys(entry.source.name for piece in value.pieces for entry in piece.factors):
            if (made := self.made.get(name)) is None:
                continue
            if made.operator in INFINITE:
                return made.operator
            for argument in made.arguments:
                if argument.infinite or (operator := self.may_be_infinite(argument)) is not None:
                    return made.operator if argument.infinite else operator
        return None

    def tensor(self, name: str, shape: Sequence[Size]) -> Value:
        """Return an input or a weight. A length that is a product, or a sum of products, is cut in these."""
        return source(self.sizes, name, [self._axis(self.sizes.size(size)) for size in shape])

    def _axis(self, size: Size) -> Axis:
        if size.is_Number:
            return axis_of(size)
        return tuple(self._segment(term) for term in sorted(sympy.Add.make_args(size), key=lambda t: not t.is_Number))

    def _segment(self, size: Size) -> tuple[Size, ...]:
        number, symbols = size.as_coeff_Mul()
        if len(symbols.free_symbols) <= 1 and symbols.is_Symbol:
            return (size,)
        atoms = sympy.Mul.make_args(symbols)
        return (*([number] if number != 1 else []), *atoms)

    def constant(self, tensor: Tensor) -> Value:
        """Return a tensor of numbers, piece by piece. Raises CannotProve where it has too many."""
        tensor = tensor.detach()
        where = tensor.nonzero()
        if len(where) > MOST_ENTRIES:
            raise CannotProve(f"a constant tensor of {len(where)} numbers")
        by_value: dict[float, list[str]] = defaultdict(list)
        long = [axis for axis, size in enumerate(tensor.shape) if size > 1]
        for place in where.tolist():
            by_value[tensor[tuple(place)].item()].append("[" + ", ".join(str(place[axis]) for axis in long) + "]")
        axes = tuple(axis_of(sympy.Integer(size)) for size in tensor.shape)
        pieces = tuple(
            replace(one, relation=isl.Map.from_domain(isl.Set("{ " + "; ".join(at) + " }")))
            for number, at in by_value.items()
            for one in constant(self.sizes, axes, fraction(number)).pieces
        )
        return Value(self.sizes, axes, pieces)

    def product(self, one: Value, other: Value) -> Value:
        """Return the product of two tensors, broadcast.

        What is divided by a root of an input's entries, as norms do, is named: high powers of it are common.
        """
        one, other = aligned(one, other)
        result = one.product(other)
        return self.named(result) if is_root(one) or is_root(other) else result

    def named(self, value: Value) -> Value:
        """Return a tensor in few words: what is no input, weight or sum of these is a source of its own.

        Tensors with the same entries have the same one. This is for tensors of which a high power would be taken.
        """
        if all(len(piece.factors) <= 1 for piece in value.pieces):
            return value
        return self.applied("same", (), value, zero=sympy.Integer(0))

    def unknown(self, why: str, axes: Sequence[Axis], roots: frozenset[str] = frozenset()) -> Value:
        """Return a tensor that is equal to no other."""
        self._count += 1
        return of_source(self.sizes, Source(f"{why}#{self._count}", tuple(axes), why, roots))

    def applied(
        self,
        operator: str,
        options: Hashable,
        *arguments: Value,
        zero: Any = None,
        beside: Sequence[Axis] = (),
        commutes: bool = False,
        truth: bool = False,
    ) -> Value:
        """Return what an operator without a reading makes of some tensors, entry by entry.

        Entries of which the arguments are equal to those of an earlier application, wherever these stand, are those of
        its result; only the others are a new source.

        Args:
            operator: its name.
            options: what it depends on besides tensors.
            arguments: tensors of the same rank, or of axes that are broadcast.
            zero: what it makes of zero, if that is a fraction.
            beside: more axes of the result, behind those of the arguments: an entry is a row.
            commutes: whether two arguments may be swapped.
            truth: whether the results are 0 or 1.
        """
        arguments = alike(arguments)
        if any(one.infinite for one in arguments):
            raise CannotProve("of an infinity")
        axes, forms = arguments[0].axes, [normal(one) for one in arguments]
        rest = self._everywhere(axes)
        pieces: list[Piece] = []
        if zero is not None:
            for segments, outside in self._zeros(forms[0], rest):
                if zero != 0:
                    pieces += rows(constant(self.sizes, beside, zero), segments, outside)
        earlier = self._applied[operator, options]
        for before in earlier:
            for order in itertools.permutations(forms) if commutes else (forms,):
                for segments, at, relation in self._equal(order, before, rest):
                    rest[segments] = rest[segments].subtract(relation.domain()).coalesce()
                    pieces += through(before.result, segments, at, relation, len(beside))
            if all(one.is_empty() for one in rest.values()):
                break
        if any(not one.is_empty() for one in rest.values()):
            roots = frozenset().union(*(one.roots for one in arguments))
            origin = self._new(operator, (*axes, *beside), roots, truth)
            self.made[origin.name] = Made(operator, options, arguments, tuple(beside))
            orders = list(itertools.permutations(forms)) if commutes else [tuple(forms)]
            fresh = of_source(self.sizes, origin)
            for segments, at, relation in self._first_of_equal(orders, rest):
                pieces += through(fresh, segments, at, relation, len(beside))
        result = Value(self.sizes, (*axes, *beside), tuple(pieces))
        earlier.append(Application(axes, tuple(forms), result))
        return result

    def _new(self, operator: str, axes: tuple[Axis, ...], roots: frozenset[str], truth: bool = False) -> Source:
        self._count += 1
        return Source(f"{operator}#{self._count}", axes, operator, roots, truth)

    def _first_of_equal(
        self, orders: Sequence[Sequence[Normal]], rest: Mapping[Segments, Any]
    ) -> Iterator[tuple[Segments, Segments, Any]]:
        """Yield functions from all entries of the rest to the first one among those that are equal."""
        forms = orders[0]
        for segments, place in rest.items():
            left = place
            for at in rest:
                if left.is_empty():
                    break
                ours, theirs = ([form.get(one, {}) for form in forms] for one in (segments, at))
                within = isl.Map.from_domain_and_range(left, rest[at])
                relation = equal_entries(ours, theirs, within, self.sizes)
                for order in orders[1:]:
                    swapped = [form.get(segments, {}) for form in order]
                    relation = relation.union(equal_entries(swapped, theirs, within, self.sizes))
                left = left.subtract(relation.domain())
                if not relation.is_empty():
                    yield segments, at, function(relation)

    def _everywhere(self, axes: Sequence[Axis]) -> dict[Segments, Any]:
        context = self.sizes.context
        return {at: box_at(self.sizes, axes, at).intersect_params(context) for at in places(axes)}

    def _zeros(self, form: Normal, rest: dict[Segments, Any]) -> Iterator[tuple[Segments, Any]]:
        """Take the entries that are zero out of `rest`, and yield them."""
        for segments, box in rest.items():
            outside = box
            for terms in form.get(segments, {}).values():
                for _, relation in terms:
                    outside = outside.subtract(relation.domain())
            rest[segments] = box.subtract(outside).coalesce()
            if not outside.is_empty():
                yield segments, outside.coalesce()

    def _equal(
        self, forms: Sequence[Normal], before: Application, rest: Mapping[Segments, Any]
    ) -> Iterator[tuple[Segments, Segments, Any]]:
        """Yield which entries of the rest are equal to which earlier ones, a function at a time."""
        for segments in rest:
            for at in places(before.axes):
                if rest[segments].is_empty():
                    break
                within = isl.Map.from_domain_and_range(rest[segments], box_at(self.sizes, before.axes, at))
                ours = [form.get(segments, {}) for form in forms]
                theirs = [form.get(at, {}) for form in before.forms]
                relation = equal_entries(ours, theirs, within, self.sizes)
                if not relation.is_empty():
                    yield segments, at, function(relation)

    def largest(self, value: Value, inside: Value, count: int) -> Value:
        """Return the largest entries along the last `count` axes, of those where `inside` is 1 and not 0.

        Sets of the same entries have the same largest one, in whatever order, and however often each occurs.
        """
        value, inside = aligned(value, inside)
        for axis in range(value.rank - count, value.rank):
            if len(value.axes[axis]) > 1:
                value, inside = value.flat(axis), inside.flat(axis)
        value, inside = aligned(value, inside)
        if value.infinite:
            raise CannotProve("of an infinity")
        axes, forms = value.axes, [normal(value), normal(inside)]
        left, tail = axes[: len(axes) - count], sum(len(axis[0]) for axis in axes[len(axes) - count :])
        rest = self._everywhere(left)
        pieces: list[Piece] = []
        earlier = self._applied["largest", count > 0]
        for before in earlier:
            before_tail = sum(len(axis[0]) for axis in before.axes[before.result.rank :])
            for segments in rest:
                for at in places(before.result.axes):
                    here, there = segments + (0,) * count, at + (0,) * (len(before.axes) - len(at))
                    ours, theirs = inside_of(forms[1], here), inside_of(before.forms[1], there)
                    if rest[segments].is_empty() or ours is None or theirs is None:
                        continue
                    within = isl.Map.from_domain_and_range(ours, theirs)
                    relation = equal_entries(
                        [form.get(here, {}) for form in forms],
                        [form.get(there, {}) for form in before.forms],
                        within,
                        self.sizes,
                    )
                    sets = function(
                        equal_sets(relation, ours, theirs, tail, before_tail).intersect_domain(rest[segments])
                    )
                    rest[segments] = rest[segments].subtract(sets.domain()).coalesce()
                    pieces += through(before.result, segments, at, sets, 0)
        if any(not one.is_empty() for one in rest.values()):
            origin = self._new("largest", left, value.roots)
            self.made[origin.name] = Made("largest", count, (value, inside), ())
            for piece in of_source(self.sizes, origin).pieces:
                relation = piece.relation.intersect_domain(rest[piece.segments])
                if not relation.is_empty():
                    pieces.append(replace(piece, relation=relation))
        result = Value(self.sizes, left, tuple(pieces))
        earlier.append(Application(axes, tuple(forms), result))
        return result
