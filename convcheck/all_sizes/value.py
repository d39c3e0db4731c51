"""A tensor for all sizes: which entries of which sources every entry of it is a sum of products of.

An axis is one segment, or several that stand one behind the other, as after `cat`. A segment is a product of atoms, as
`(h w)` is after `flatten`: an index is one number for every atom, so that it stays linear in the sizes. A tensor is a
sum of pieces; a piece is a coefficient, and a relation from the entries of one segment of every axis to the entries of
its factors. An entry in no piece is zero, and pieces that overlap add up.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.pieces import (
    INFINITY,
    ONE,
    Axis,
    Piece,
    Source,
    atoms_of,
    axis_of,
    box_at,
    check_count,
    length,
    names_of_atoms,
    strides,
)
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.sums import summed_out


@dataclass(frozen=True)
class Value:
    """A tensor for all sizes."""

    sizes: Sizes
    axes: tuple[Axis, ...]
    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        check_count(self.pieces)

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
            groups = names_of_atoms([len(axis[n]) for axis, n in zip(self.axes, piece.segments, strict=True)])
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
                before = atoms_of(self.axes[:axis], piece.segments[:axis])
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
        (old,) = self.one_segment(axis)
        fresh = [len(one[0]) for one in new]
        names = [f"n{number}" for number in range(sum(fresh))]
        axes = (*self.axes[:axis], *new, *self.axes[axis + 1 :])
        pieces = []
        assert len(index) == len(old)
        for piece in self.pieces:
            segments = (*piece.segments[:axis], *(0 for _ in new), *piece.segments[axis + 1 :])
            before = [f"b{n}" for n in range(atoms_of(self.axes[:axis], piece.segments[:axis]))]
            after = [f"a{n}" for n in range(atoms_of(self.axes[axis + 1 :], piece.segments[axis + 1 :]))]
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
            before = atoms_of(self.axes[:axis], piece.segments[:axis])
            after = atoms_of(self.axes[axis + count :], piece.segments[axis + count :])
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
        for inner in strides(old):
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

    def one_segment(self, axis: int) -> Axis:
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
                check_count(pieces)
        return Value(self.sizes, self.axes, tuple(pieces))

    def summed(self, axis: int) -> Value:
        """Return the sum along an axis, which goes.

        isl's relations are sets: that no entry is counted once where it occurs often is checked for every piece.
        """
        self._check_numbers()
        axes = (*self.axes[:axis], *self.axes[axis + 1 :])
        pieces: list[Piece] = []
        for piece in self.pieces:
            first = atoms_of(self.axes[:axis], piece.segments[:axis])
            segment = self.axes[axis][piece.segments[axis]]
            rest = (*piece.segments[:axis], *piece.segments[axis + 1 :])
            for coefficient, relation in summed_out(self.sizes, piece.relation, first, segment):
                pieces.append(Piece(rest, piece.coefficient * coefficient, piece.factors, relation))
        return Value(self.sizes, axes, tuple(pieces))


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
