"""A tensor for all sizes: which entries of which sources every entry of it is a sum of products of.

An axis is one segment, or several that stand one behind the other, as after `cat`. A segment is a product of atoms, as
`(h w)` is after `flatten`: an index is one number for every atom, so that it stays linear in the sizes. A tensor is a
sum of pieces; a piece is a coefficient, and a relation from the entries of one segment of every axis to the entries of
its factors. An entry in no piece is zero, and pieces that overlap add up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.sizes import CannotProve, Size, Sizes

Segment = tuple[Size, ...]
"""The sizes of its atoms; none for a length of 1."""
Axis = tuple[Segment, ...]
ONE: Axis = ((),)
MOST_PIECES = 4096


@dataclass(frozen=True)
class Source:
    """A tensor that others are made of: an input, a weight, or what an operator without a reading makes.

    `name` tells sources apart; `axes` are its own. `operator` is that which makes it, of tensors that are made of the
    sources named in `roots`; both are empty for an input or a weight. Entries of one with an operator may hang
    together, so that polynomials of them that differ may still be equal. `truth` tells that all entries are 0 or 1.
    One that is inert has no finite numbers, or none at all: it can be moved, and nothing can be computed with it.
    """

    name: str
    axes: tuple[Axis, ...] = field(compare=False)
    operator: str = field(default="", compare=False)
    roots: frozenset[str] = field(default=frozenset(), compare=False)
    truth: bool = field(default=False, compare=False)
    is_inert: bool = False

    @property
    def derived(self) -> bool:
        """Whether an operator makes it."""
        return bool(self.operator)


INFINITY = Source("-inf", (), is_inert=True)
"""A number that is below all others."""


@dataclass(frozen=True)
class Piece:
    """`coefficient` times a product of entries, for the entries that `relation` holds.

    `segments` has the number of a segment for every axis. `relation` goes from the atoms of these to the atoms of all
    factors, which are those of a source of one segment an axis, one after the other.
    """

    segments: tuple[int, ...]
    coefficient: Any
    factors: tuple[Entry, ...]
    relation: Any


@dataclass(frozen=True)
class Entry:
    """A factor: the source, and which segments of it are read."""

    source: Source
    segments: tuple[int, ...]

    @property
    def atoms(self) -> int:
        """How many numbers tell which entry it is."""
        axes = zip(self.source.axes, self.segments, strict=True)
        return sum(len(axis[number]) for axis, number in axes)

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        return (self.source.name, self.segments)


@dataclass(frozen=True)
class Value:
    """A tensor for all sizes."""

    sizes: Sizes
    axes: tuple[Axis, ...]
    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        if len(self.pieces) > MOST_PIECES:
            raise CannotProve(f"a sum of more than {MOST_PIECES} pieces")

    @property
    def rank(self) -> int:
        return len(self.axes)

    def size(self, axis: int) -> Size:
        """Return the length of an axis."""
        return length(self.axes[axis])

    @property
    def shape(self) -> tuple[Size, ...]:
        return tuple(map(length, self.axes))

    @property
    def roots(self) -> frozenset[str]:
        """The names of all inputs and weights that it is made of."""
        sources = {entry.source for piece in self.pieces for entry in piece.factors}
        return frozenset().union(*(one.roots if one.derived else {one.name} for one in sources))

    @property
    def infinite(self) -> bool:
        """Whether entries may be minus infinity."""
        return any(entry.source == INFINITY for piece in self.pieces for entry in piece.factors)

    # What moves entries.

    def permuted(self, order: Sequence[int]) -> Value:
        """Return the axes in another order, as `permute` does."""
        if list(order) == list(range(self.rank)):
            return self
        axes = tuple(self.axes[number] for number in order)
        pieces = []
        for piece in self.pieces:
            segments = tuple(piece.segments[number] for number in order)
            groups = _names([len(axis[n]) for axis, n in zip(self.axes, piece.segments, strict=True)])
            new = [name for number in order for name in groups[number]]
            old = [name for group in groups for name in group]
            pieces.append(replace(piece, segments=segments, relation=self._moved(new, old, "true", piece.relation)))
        return Value(self.sizes, axes, tuple(pieces))

    def with_one(self, axis: int) -> Value:
        """Return the tensor with an axis of length 1 before `axis`, as `unsqueeze` does."""
        axes = (*self.axes[:axis], ONE, *self.axes[axis:])
        pieces = [replace(one, segments=(*one.segments[:axis], 0, *one.segments[axis:])) for one in self.pieces]
        return Value(self.sizes, axes, tuple(pieces))

    def without_one(self, axis: int) -> Value:
        """Return the tensor without an axis of length 1, as `squeeze` does. Raises CannotProve if it is longer."""
        if self.axes[axis] != ONE:
            raise CannotProve(f"squeeze of an axis of length {self.size(axis)}")
        axes = (*self.axes[:axis], *self.axes[axis + 1 :])
        pieces = [replace(one, segments=(*one.segments[:axis], *one.segments[axis + 1 :])) for one in self.pieces]
        return Value(self.sizes, axes, tuple(pieces))

    def expanded(self, axis: int, to: Axis) -> Value:
        """Return the tensor with copies along an axis of length 1, as `expand` does."""
        if to == ONE:
            return self
        pieces = []
        for piece in self.pieces:
            for number, segment in enumerate(to):
                before = _atoms(self.axes[:axis], piece.segments[:axis])
                relation = piece.relation.insert_dims(isl.dim_type.in_, before, len(segment))
                relation = relation.intersect_domain(
                    self._box(
                        (*self.axes[:axis], to, *self.axes[axis + 1 :]),
                        (*piece.segments[:axis], number, *piece.segments[axis + 1 :]),
                    )
                )
                segments = (*piece.segments[:axis], number, *piece.segments[axis + 1 :])
                pieces.append(replace(piece, segments=segments, relation=relation))
        return Value(self.sizes, (*self.axes[:axis], to, *self.axes[axis + 1 :]), tuple(pieces))

    def indexed(self, axis: int, new: Sequence[Axis], index: Sequence[str], where: str = "true") -> Value:
        """Return the tensor with `new` axes in place of one, which has to be one segment.

        `index` has, for every atom of the old axis, which entry of it is read: an expression in `n0`, `n1` and so on,
        the atoms of the new axes, each of one segment. Entries outside the old axis, or where `where` does not hold,
        are zero.
        """
        (old,) = self._one_segment(axis)
        fresh = [len(one[0]) for one in new]
        names = [f"n{number}" for number in range(sum(fresh))]
        axes = (*self.axes[:axis], *new, *self.axes[axis + 1 :])
        pieces = []
        assert len(index) == len(old)
        for piece in self.pieces:
            segments = (*piece.segments[:axis], *(0 for _ in new), *piece.segments[axis + 1 :])
            before = [f"b{n}" for n in range(_atoms(self.axes[:axis], piece.segments[:axis]))]
            after = [f"a{n}" for n in range(_atoms(self.axes[axis + 1 :], piece.segments[axis + 1 :]))]
            relation = self._moved([*before, *names, *after], [*before, *index, *after], where, piece.relation)
            relation = relation.intersect_domain(self._box(axes, segments))
            if not self._empty(relation):
                pieces.append(replace(piece, segments=segments, relation=relation))
        return Value(self.sizes, axes, tuple(pieces))

    def restricted(self, axis: int, count: int, names: Sequence[str], where: str) -> Value:
        """Return the tensor with zeros where a condition does not hold.

        `names` are those of the atoms of `count` axes from `axis` on, of one segment each, in which it is written.
        """
        pieces = []
        for piece in self.pieces:
            before = _atoms(self.axes[:axis], piece.segments[:axis])
            after = _atoms(self.axes[axis + count :], piece.segments[axis + count :])
            flat = [*(f"b{n}" for n in range(before)), *names, *(f"a{n}" for n in range(after))]
            inside = isl.Set(f"[{self.sizes.names}] -> {{ [{', '.join(flat)}] : {where} }}")
            relation = piece.relation.intersect_domain(inside)
            if not self._empty(relation):
                pieces.append(replace(piece, relation=relation))
        return Value(self.sizes, self.axes, tuple(pieces))

    def flat(self, axis: int) -> Value:
        """Return the tensor with one number for every entry along an axis: one segment, of one atom.

        Raises:
            CannotProve: the number is not linear in the sizes.
        """
        if len(self.axes[axis]) > 1:
            return self._end_to_end(axis)
        (old,) = self.axes[axis]
        if len(old) == 1:
            return self
        whole = sympy.expand(sympy.prod(old))
        self.sizes.text(whole)
        new: Axis = ((whole,),) if whole != 1 else ONE
        if not old:
            return self
        index, rest = [], "n0"
        for inner in _strides(old):
            if not inner.is_Integer:
                raise CannotProve(f"an axis of {' x '.join(map(str, old))} is read as one")
            index.append(f"floor(({rest}) / {inner})" if inner != 1 else rest)
            rest = f"(({rest}) mod {inner})"
        return self.indexed(axis, [new], index)

    def _end_to_end(self, axis: int) -> Value:
        """Return the tensor with the segments of an axis one behind the other on one atom."""
        parts = [self.segment(axis, number).flat(axis) for number in range(len(self.axes[axis]))]
        return joined(parts, axis)

    def segment(self, axis: int, number: int) -> Value:
        """Return what stands in one segment of an axis."""
        axes = (*self.axes[:axis], (self.axes[axis][number],), *self.axes[axis + 1 :])
        pieces = tuple(
            replace(one, segments=(*one.segments[:axis], 0, *one.segments[axis + 1 :]))
            for one in self.pieces
            if one.segments[axis] == number
        )
        return Value(self.sizes, axes, pieces)

    def split(self, axis: int, lengths: Sequence[Size]) -> Value:
        """Return the tensor with an axis of one atom as several segments of these lengths, one behind the other."""
        flat, start, parts = self.flat(axis), sympy.Integer(0), []
        for one in lengths:
            new: Axis = ((one,),) if one != 1 else ONE
            index = f"{self.sizes.text(start)} + n0" if one != 1 else self.sizes.text(start)
            parts.append(flat.indexed(axis, [new], [index]))
            start = start + one
        return stacked(parts, axis)

    def cut(self, axis: int, atom: int, outer: Size, inner: Size) -> Value:
        """Return the tensor with one atom of a segment as two: `outer` times `inner`, the inner one fastest."""
        (old,) = self._one_segment(axis)
        names = [f"n{number}" for number in range(len(old) + 1)]
        new = (*old[:atom], outer, inner, *old[atom + 1 :])
        above, below = names[:atom], names[atom + 2 :]
        if inner.is_Integer:
            return self.indexed(axis, [(new,)], [*above, f"{inner}*n{atom} + n{atom + 1}", *below])
        if not outer.is_Integer:
            raise CannotProve(f"an axis of {outer * inner} is cut in {outer} x {inner}")
        # The inner length is no number: one case for every outer one.
        cases = []
        for number in range(int(outer)):
            cases.append(f"(n{atom} = {number} and e = n{atom + 1} + {self.sizes.text(sympy.expand(number * inner))})")
        return self.indexed(axis, [(new,)], [*above, "e", *below], " or ".join(cases))

    def _one_segment(self, axis: int) -> Axis:
        if len(self.axes[axis]) != 1:
            raise CannotProve("an axis of several parts is read as one")
        return self.axes[axis]

    def _moved(self, new: Sequence[str], old: Sequence[str], where: str, relation: Any) -> Any:
        """Return a relation that reads `old`, expressions in the names of `new`."""
        names = [f"o{number}" for number in range(len(old))]
        equal = " and ".join(f"{name} = {one}" for name, one in zip(names, old, strict=True)) or "true"
        helper = "exists e : " if any(one == "e" for one in old) else ""
        text = (
            f"[{self.sizes.names}] -> {{ [{', '.join(new)}] -> [{', '.join(names)}] : {helper}({where}) and {equal} }}"
        )
        read: Any = self.sizes.remembered(("map", text), lambda: isl.Map(text))
        return read.apply_range(relation)

    def _box(self, axes: Sequence[Axis], segments: Sequence[int]) -> Any:
        return box_at(self.sizes, axes, segments)

    def as_truth(self) -> Value:
        """Return the tensor, made of sources whose entries are 0 or 1."""
        pieces = tuple(
            replace(one, factors=tuple(replace(e, source=replace(e.source, truth=True)) for e in one.factors))
            for one in self.pieces
        )
        return Value(self.sizes, self.axes, pieces)

    def without_infinities(self) -> tuple[Value, Value]:
        """Return the tensor without its infinities, and how often each entry is infinite."""
        rest = tuple(one for one in self.pieces if all(entry.source != INFINITY for entry in one.factors))
        where = tuple(
            replace(one, factors=tuple(entry for entry in one.factors if entry.source != INFINITY))
            for one in self.pieces
            if any(entry.source == INFINITY for entry in one.factors)
        )
        return Value(self.sizes, self.axes, rest), Value(self.sizes, self.axes, where)

    def _empty(self, relation: Any) -> bool:
        return bool(relation.intersect_params(self.sizes.context).is_empty())

    # What computes with entries. An infinity is added to others, and no more.

    def _check_numbers(self, but: Source | None = None) -> None:
        for piece in self.pieces:
            for entry in piece.factors:
                if entry.source.is_inert and entry.source != but:
                    raise CannotProve(f"computes with {entry.source.name}")

    def times(self, number: Any) -> Value:
        """Return the tensor times a number, or an expression in sizes."""
        if number != 1:
            self._check_numbers()
        if number == 0:
            return Value(self.sizes, self.axes, ())
        pieces = tuple(replace(one, coefficient=one.coefficient * number) for one in self.pieces)
        return Value(self.sizes, self.axes, pieces)

    def plus(self, other: Value) -> Value:
        """Return the sum of two tensors of the same axes."""
        self._check_numbers(but=INFINITY)
        other._check_numbers(but=INFINITY)
        assert self.axes == other.axes
        return Value(self.sizes, self.axes, (*self.pieces, *other.pieces))

    def product(self, other: Value) -> Value:
        """Return the product of two tensors of the same axes, entry by entry."""
        self._check_numbers()
        other._check_numbers()
        return self.multiplied(other)

    def multiplied(self, other: Value) -> Value:
        """Return the product of two tensors of the same axes, one of which may say where another is infinite."""
        assert self.axes == other.axes
        pieces = []
        for one, two in itertools.product(self.pieces, other.pieces):
            if one.segments != two.segments:
                continue
            relation = one.relation.flat_range_product(two.relation)
            if not self._empty(relation):
                factors = (*one.factors, *two.factors)
                pieces.append(Piece(one.segments, one.coefficient * two.coefficient, factors, relation))
        return Value(self.sizes, self.axes, tuple(pieces))

    def summed(self, axis: int) -> Value:
        """Return the sum along an axis, which goes.

        isl's relations are sets: that no entry is counted once where it occurs often is checked for every piece.
        """
        self._check_numbers()
        axes = (*self.axes[:axis], *self.axes[axis + 1 :])
        pieces: list[Piece] = []
        for piece in self.pieces:
            first = _atoms(self.axes[:axis], piece.segments[:axis])
            segment = self.axes[axis][piece.segments[axis]]
            rest = (*piece.segments[:axis], *piece.segments[axis + 1 :])
            for coefficient, relation in self._without(piece.relation, first, segment):
                pieces.append(Piece(rest, piece.coefficient * coefficient, piece.factors, relation))
        return Value(self.sizes, axes, tuple(pieces))

    def _without(self, relation: Any, first: int, segment: Segment) -> Iterator[tuple[Any, Any]]:
        """Yield the relations without some atoms of their domain, and how often an entry of each occurs."""
        if not segment:
            yield 1, relation
            return
        number, inputs = len(segment), relation.dim(isl.dim_type.in_)
        if self._counts_once(relation, first, number):
            yield 1, relation.project_out(isl.dim_type.in_, first, number)
            return
        # One by one, innermost last: an atom that is not read at all counts as often as it is long.
        without = relation.project_out(isl.dim_type.in_, first, 1)
        widened = without.insert_dims(isl.dim_type.in_, first, 1).intersect_domain(
            box_of_one(self.sizes, inputs, first, segment[0])
        )
        bounded = relation.intersect_params(self.sizes.context)
        if widened.intersect_params(self.sizes.context).is_equal(bounded):
            for often, one in self._without(without, first, segment[1:]):
                yield segment[0] * often, one
            return
        if segment[0].is_Integer:
            for place in range(int(segment[0])):
                here = isl.Set(f"{{ [{', '.join(f'n{n}' for n in range(inputs))}] : n{first} = {place} }}")
                fixed = relation.intersect_domain(here).project_out(isl.dim_type.in_, first, 1)
                if not self._empty(fixed):
                    yield from self._without(fixed, first, segment[1:])
            return
        if len(segment) > 1 and self._counts_once(relation, first, 1):
            yield from self._without(without, first, segment[1:])
            return
        raise CannotProve("a sum in which entries occur several times")

    def _counts_once(self, relation: Any, first: int, number: int) -> bool:
        """Tell whether an output and an entry occur together at one place of some atoms at most."""
        inside, outside = isl.dim_type.in_, isl.dim_type.out
        read = relation.dim(outside)
        moved = relation.move_dims(outside, read, inside, first, number)
        places = moved.move_dims(inside, 0, outside, 0, read)
        return bool(places.intersect_params(self.sizes.context).is_single_valued())


def length(axis: Axis) -> Size:
    """Return the length of an axis."""
    return sympy.expand(sympy.Add(*(sympy.prod(segment) for segment in axis)))


def axis_of(size: Size) -> Axis:
    """Return an axis of a length."""
    return ONE if size == 1 else ((size,),)


def box(sizes: Sizes, lengths: Sequence[Size]) -> Any:
    """Return the set of all indices below some lengths."""
    return sizes.remembered(("box", tuple(lengths)), lambda: _box(sizes, lengths))


def _box(sizes: Sizes, lengths: Sequence[Size]) -> Any:
    names = [f"n{number}" for number in range(len(lengths))]
    bounds = [f"0 <= {name} < {sizes.text(size)}" for name, size in zip(names, lengths, strict=True)]
    return isl.Set(f"[{sizes.names}] -> {{ [{', '.join(names)}] : {' and '.join(bounds) or 'true'} }}")


def places(axes: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    """Yield every choice of a segment for every axis."""
    yield from itertools.product(*(range(len(axis)) for axis in axes))


def box_at(sizes: Sizes, axes: Sequence[Axis], segments: Sequence[int]) -> Any:
    """Return the set of all indices in one segment of every axis."""
    return box(sizes, [size for axis, n in zip(axes, segments, strict=True) for size in axis[n]])


def box_of_one(sizes: Sizes, rank: int, place: int, size: Size) -> Any:
    """Return all tuples of `rank` numbers in which the one at `place` is an index below a length."""
    names = [f"n{number}" for number in range(rank)]
    return isl.Set(f"[{sizes.names}] -> {{ [{', '.join(names)}] : 0 <= n{place} < {sizes.text(size)} }}")


def stacked(parts: Sequence[Value], axis: int) -> Value:
    """Return tensors one behind the other along an axis, each a segment or several of its own."""
    first, segments, pieces = parts[0], list[Segment](), list[Piece]()
    for part in parts:
        for piece in part.pieces:
            shifted = len(segments) + piece.segments[axis]
            pieces.append(replace(piece, segments=(*piece.segments[:axis], shifted, *piece.segments[axis + 1 :])))
        segments += part.axes[axis]
    return Value(first.sizes, (*first.axes[:axis], tuple(segments), *first.axes[axis + 1 :]), tuple(pieces))


def joined(parts: Sequence[Value], axis: int) -> Value:
    """Return tensors one behind the other along an axis, on one atom."""
    parts = [part.flat(axis) for part in parts]
    sizes, whole, pieces = parts[0].sizes, length(tuple(s for part in parts for s in part.axes[axis])), list[Piece]()
    new, start = axis_of(whole), sympy.Integer(0)
    axes = (*parts[0].axes[:axis], new, *parts[0].axes[axis + 1 :])
    for part in parts:
        if new == ONE:
            pieces += part.pieces
        elif part.axes[axis] == ONE:
            pieces += part.indexed(axis, [new], [], f"n0 = {sizes.text(start)}").pieces
        else:
            pieces += part.indexed(axis, [new], [f"n0 - {sizes.text(start)}"]).pieces
        start = start + part.size(axis)
    return Value(sizes, axes, tuple(pieces))


def constant(sizes: Sizes, axes: Sequence[Axis], number: Any) -> Value:
    """Return a tensor that is one number everywhere."""
    if number == 0:
        return Value(sizes, tuple(axes), ())
    factors: tuple[Entry, ...] = ()
    if number == -sympy.oo:
        number, factors = sympy.Integer(1), (Entry(INFINITY, ()),)
    pieces = [Piece(at, number, factors, isl.Map.from_domain(box_at(sizes, axes, at))) for at in places(axes)]
    return Value(sizes, tuple(axes), tuple(pieces))


def overlaid(one: Value, other: Value) -> Value:
    """Return the entries of two tensors of the same axes, of which one is zero wherever the other is not."""
    assert one.axes == other.axes
    return Value(one.sizes, one.axes, (*one.pieces, *other.pieces))


def source(sizes: Sizes, name: str, axes: Sequence[Axis], is_inert: bool = False) -> Value:
    """Return a tensor that stands for itself."""
    return of_source(sizes, Source(name, tuple(axes), is_inert=is_inert))


def of_source(sizes: Sizes, origin: Source) -> Value:
    """Return a source as a tensor."""
    axes, pieces = origin.axes, []
    for segments in places(axes):
        inside = box_at(sizes, axes, segments)
        pieces.append(Piece(segments, sympy.Integer(1), (Entry(origin, segments),), inside.identity()))
    return Value(sizes, tuple(axes), tuple(pieces))


def _atoms(axes: Sequence[Axis], segments: Sequence[int]) -> int:
    return sum(len(axis[number]) for axis, number in zip(axes, segments, strict=True))


def _names(lengths: Sequence[int]) -> list[list[str]]:
    """Return names for the atoms of every axis, of which there are so many."""
    numbers = itertools.count()
    return [[f"n{next(numbers)}" for _ in range(one)] for one in lengths]


def _strides(segment: Segment) -> list[Size]:
    """Return how many entries lie between neighbours along every atom."""
    return [sympy.Integer(1) if not segment[n + 1 :] else sympy.prod(segment[n + 1 :]) for n in range(len(segment))]


def whole(size: Size) -> int:
    """Return a size that is a number. Raises CannotProve for any other."""
    if not size.is_Integer:
        raise CannotProve(f"the size {size} is no number")
    return int(size)
