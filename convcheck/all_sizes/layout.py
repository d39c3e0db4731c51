"""How axes are cut and joined: `view`, and axes of two tensors that are the same in other words.

Whatever is cut is checked to be cut into exactly its own entries, for all sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from convcheck.all_sizes.cuts import cut, split, stacked
from convcheck.all_sizes.pieces import ONE, Axis, Segment, axis_of, length
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.value import Value


def viewed(value: Value, shape: Sequence[Size]) -> Value:
    """Return a tensor in another shape, entries in the same order, as `reshape` does.

    Raises:
        CannotProve: an axis would have to be cut where no linear index tells where.
    """
    sizes = value.sizes
    axis = 0
    todo = list(shape)
    made = 0
    # Groups of old and new axes that hold the same entries, from the left.
    while made < len(todo) or axis < value.rank:
        old, new = _group(sizes, value.shape[axis:], todo[made:])
        value = _regrouped(value, axis, old, todo[made : made + new])
        axis += new
        made += new
    return value


def _group(sizes: Sizes, old: Sequence[Size], new: Sequence[Size]) -> tuple[int, int]:
    """Return how many of the first old and new axes hold the same entries."""
    if not old:
        if all(sizes.same(one, sympy.Integer(1)) for one in new):
            return 0, len(new)
        raise CannotProve(f"a view of {_written(old)} as {_written(new)}")
    if not new:
        if all(sizes.same(one, sympy.Integer(1)) for one in old):
            return len(old), 0
        raise CannotProve(f"a view of {_written(old)} as {_written(new)}")
    ours, theirs, first, second = old[0], new[0], 1, 1
    while not sizes.same(ours, theirs):
        more = sizes.ratio(theirs, ours) is not None or second == len(new)
        if more and sizes.ratio(ours, theirs) is not None and second < len(new):
            more = False
        if more and first < len(old):
            ours, first = sympy.expand(ours * old[first]), first + 1
        elif second < len(new):
            theirs, second = sympy.expand(theirs * new[second]), second + 1
        else:
            raise CannotProve(f"a view of {_written(old)} as {_written(new)}")
    return first, second


def _written(shape: Sequence[Size]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


def _regrouped(value: Value, axis: int, old: int, new: Sequence[Size]) -> Value:
    """Return the tensor with `old` axes from `axis` on as axes of lengths `new`."""
    if old == 1 and len(new) == 1:
        return value
    ones = [number for number in range(axis, axis + old) if value.axes[number] == ONE]
    for number in reversed(ones):
        value, old = value.without_one(number), old - 1
    if old == 0:
        for number, _ in enumerate(new):
            value = value.with_one(axis + number)
        return value
    real = [one for one in new if one != 1]
    value = merged(value, axis, old)
    value = _apart(value, axis, real)
    for number, one in enumerate(new):
        if one == 1:
            value = value.with_one(axis + number)
    return value


def merged(value: Value, axis: int, old: int) -> Value:
    """Return the tensor with some axes, of one segment, as one axis of all their atoms."""
    if old == 1:
        return value
    for number in range(axis, axis + old):
        if len(value.axes[number]) > 1:
            value = value.flat(number)
    atoms: Segment = tuple(size for one in value.axes[axis : axis + old] for size in one[0])
    axes = (*value.axes[:axis], (atoms,), *value.axes[axis + old :])
    pieces = tuple(
        type(piece)(
            (*piece.segments[:axis], 0, *piece.segments[axis + old :]),
            piece.coefficient,
            piece.factors,
            piece.relation,
        )
        for piece in value.pieces
    )
    return Value(value.sizes, axes, pieces)


def _apart(value: Value, axis: int, lengths: Sequence[Size]) -> Value:
    """Return the tensor with one axis as several, whose lengths have the same product."""
    if len(lengths) == 1:
        return value
    if len(value.axes[axis]) > 1:
        value = value.flat(axis)
    try:
        value, ends = _cut_at(value, axis, lengths)
    except CannotProve:
        # Numbers that do not nest are cut by division.
        return _divided(value.flat(axis), axis, lengths)
    atoms = value.axes[axis][0]
    parts: list[Axis] = []
    start = 0
    for end in ends:
        parts.append((atoms[start:end],))
        start = end
    axes = (*value.axes[:axis], *parts, *value.axes[axis + 1 :])
    pieces = tuple(
        type(piece)(
            (*piece.segments[:axis], *(0 for _ in parts), *piece.segments[axis + 1 :]),
            piece.coefficient,
            piece.factors,
            piece.relation,
        )
        for piece in value.pieces
    )
    return Value(value.sizes, axes, pieces)


def _cut_at(value: Value, axis: int, lengths: Sequence[Size]) -> tuple[Value, list[int]]:
    """Cut atoms until every length is that of whole atoms; return where each of them ends."""
    sizes, ends, position = value.sizes, [], len(value.axes[axis][0])
    backwards: list[int] = []
    for need in reversed(lengths):
        backwards.append(position)
        left = need
        while not sizes.same(left, sympy.Integer(1)):
            if position == 0:
                raise CannotProve("a view")
            atom = value.axes[axis][0][position - 1]
            if (rest := sizes.ratio(left, atom)) is not None:
                left, position = rest, position - 1
            elif (outer := sizes.ratio(atom, left)) is not None:
                value = cut(value, axis, position - 1, outer, left)
                backwards = [number + 1 for number in backwards]
                left = sympy.Integer(1)
            else:
                raise CannotProve(f"an axis of {atom} is cut at {left}")
    ends = list(reversed(backwards))
    if position != 0:
        raise CannotProve("a view")
    return value, ends


def _divided(value: Value, axis: int, lengths: Sequence[Size]) -> Value:
    """Return the tensor with one atom as several axes whose inner lengths are numbers."""
    text, names = "n0", [f"n{number}" for number in range(len(lengths))]
    for name, size in zip(names[1:], lengths[1:], strict=True):
        if not size.is_Integer:
            raise CannotProve(f"an axis of {value.size(axis)} is cut in {_written(lengths)}")
        text = f"({size}*({text}) + {name})"
    return value.indexed(axis, [axis_of(one) for one in lengths], [text])


def aligned(one: Value, other: Value) -> tuple[Value, Value]:
    """Return two tensors with the same axes, copied along axes of length 1 where the other is longer.

    Raises:
        CannotProve: lengths differ, or are not known to be the same.
    """
    while one.rank < other.rank:
        one = one.with_one(0)
    while other.rank < one.rank:
        other = other.with_one(0)
    for axis in range(one.rank):
        if one.axes[axis] == other.axes[axis]:
            continue
        if one.axes[axis] == ONE:
            one = one.expanded(axis, other.axes[axis])
        elif other.axes[axis] == ONE:
            other = other.expanded(axis, one.axes[axis])
        else:
            one, other = _same_axis(one, other, axis)
    return one, other


def alike_beside(parts: Sequence[Value], axis: int) -> list[Value]:
    """Return tensors whose axes are the same but for one. Raises CannotProve where their lengths differ."""
    alike = list(parts)
    for number in (n for n in range(parts[0].rank) if n != axis):
        # Every tensor cuts the first one as far as it is cut itself; then the first cuts all others.
        for _ in range(2):
            for place in range(1, len(alike)):
                if alike[0].axes[number] != alike[place].axes[number]:
                    alike[0], alike[place] = _same_axis(alike[0], alike[place], number)
    return alike


def _same_axis(one: Value, other: Value, axis: int) -> tuple[Value, Value]:
    """Return two tensors with one axis in the same words."""
    sizes = one.sizes
    if not sizes.same(one.size(axis), other.size(axis)):
        raise CannotProve(f"axes of {one.size(axis)} and {other.size(axis)} meet")
    if len(one.axes[axis]) != len(other.axes[axis]):
        lengths = [[length((part,)) for part in value.axes[axis]] for value in (one, other)]
        if len(one.axes[axis]) < len(other.axes[axis]):
            one = split(one, axis, lengths[1])
        else:
            other = split(other, axis, lengths[0])
    if len(one.axes[axis]) > 1:
        pairs = [_same_axis_of_one(one, other, axis, number) for number in range(len(one.axes[axis]))]
        return stacked([pair[0] for pair in pairs], axis), stacked([pair[1] for pair in pairs], axis)
    return _same_atoms(one, other, axis)


def _same_axis_of_one(one: Value, other: Value, axis: int, number: int) -> tuple[Value, Value]:
    return _same_atoms(one.segment(axis, number), other.segment(axis, number), axis)


def _same_atoms(one: Value, other: Value, axis: int) -> tuple[Value, Value]:
    """Return two tensors with the atoms of one axis cut alike."""
    sizes = one.sizes
    ours, theirs = len(one.axes[axis][0]), len(other.axes[axis][0])
    while ours and theirs:
        mine, yours = one.axes[axis][0][ours - 1], other.axes[axis][0][theirs - 1]
        if sizes.same(mine, yours):
            # The same length in the same words.
            other = _renamed(other, axis, theirs - 1, mine)
            ours, theirs = ours - 1, theirs - 1
        elif (outer := sizes.ratio(mine, yours)) is not None:
            one = cut(one, axis, ours - 1, outer, yours)
            theirs -= 1
        elif (outer := sizes.ratio(yours, mine)) is not None:
            other = cut(other, axis, theirs - 1, outer, mine)
            ours -= 1
        else:
            return _same_flat(one, other, axis)
    if ours or theirs:
        raise CannotProve(f"axes of {one.size(axis)} and {other.size(axis)} meet")
    return one, other


def _same_flat(one: Value, other: Value, axis: int) -> tuple[Value, Value]:
    one, other = one.flat(axis), other.flat(axis)
    return one, _renamed(other, axis, 0, one.axes[axis][0][0])


def _renamed(value: Value, axis: int, atom: int, size: Size) -> Value:
    """Return the tensor with another word for the length of an atom."""
    (old,) = value.axes[axis]
    new: Axis = ((*old[:atom], size, *old[atom + 1 :]),)
    return Value(value.sizes, (*value.axes[:axis], new, *value.axes[axis + 1 :]), value.pieces)
