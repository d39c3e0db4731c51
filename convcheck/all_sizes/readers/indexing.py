"""Entries read or added up by tensors of their numbers, which are known at every place.

Refuses numbers that an input decides, and those that may be out of range, where torch raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import islpy as isl

from convcheck.all_sizes.layout import aligned, alike_beside
from convcheck.all_sizes.new_values import overlaid
from convcheck.all_sizes.pieces import Axis, box
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import bounded, function_of


def index(call: Call) -> Value:
    """`self[i, j]`, for tensors of numbers, None among them for an axis that is read as it is."""
    value: Value = call["self"]
    asked: list[Value | None] = [*call["indices"], *[None] * (value.rank - len(call["indices"]))]
    by = {axis: one for axis, one in enumerate(asked) if one is not None}
    axes = sorted(by)
    if "bool" in str([one.meta["val"].dtype for one in call.node.args[1] if one is not None]):  # type: ignore[union-attr]
        raise CannotProve("by booleans")
    # One after the other, on axes that are read together in the end.
    together = list(by.values())
    for _ in range(2):
        for n in range(1, len(together)):
            together[0], together[n] = aligned(together[0], together[n])
    adjacent = axes == list(range(axes[0], axes[-1] + 1))
    if not adjacent:
        # Their axes go in front: what is read is permuted first.
        order = [*axes, *(n for n in range(value.rank) if n not in axes)]
        value, axes = value.permuted(order), list(range(len(axes)))
    return read_by(value, axes[0], together)


def read_by(value: Value, axis: int, numbers: Sequence[Value]) -> Value:
    """Return the tensor with the axes of `numbers` in place of as many axes as there are, from `axis` on."""
    count, like = len(numbers), numbers[0]
    for place in range(axis, axis + count):
        value = value.flat(place)
    functions = [_from_front(one, function_of(one), value.size(axis + place)) for place, one in enumerate(numbers)]
    return _composed(value, axis, count, like.axes, functions)


def _from_front(value: Value, function: Any, size: Any) -> Any:
    """Return numbers of entries of an axis counted from the front. Raises CannotProve where torch may raise."""
    negative = function.lt_set(function.scale_val(isl.Val(0)))
    if not negative.intersect_params(value.sizes.context).is_empty():
        names = _names(function.dim(isl.dim_type.in_))
        whole = isl.PwAff(f"[{value.sizes.names}] -> {{ [{names}] -> [{value.sizes.text(size)}] }}")
        function = function.add(whole.intersect_domain(negative).union_add(whole.scale_val(isl.Val(0))))
    bounded(value, function, size)
    return function


def _composed(value: Value, axis: int, count: int, new: Sequence[Axis], functions: Sequence[Any]) -> Value:
    """Return the tensor read along `count` axes, of at most one atom, by functions of new axes of one segment."""
    atoms = sum(len(one[0]) for one in new)
    axes = (*value.axes[:axis], *new, *value.axes[axis + count :])
    pieces = []
    real = [n for n in range(count) if value.axes[axis + n][0]]
    for piece in value.pieces:
        before = sum(len(a[n]) for a, n in zip(value.axes[:axis], piece.segments[:axis], strict=True))
        behind = zip(value.axes[axis + count :], piece.segments[axis + count :], strict=True)
        after = sum(len(a[n]) for a, n in behind)
        relation = _place(before)
        inner = None
        for n in real:
            one = isl.Map.from_pw_aff(functions[n])
            inner = one if inner is None else inner.flat_range_product(one)
        if inner is None:
            inner = isl.Map(f"{{ [{_names(atoms)}] -> [] }}")
        relation = relation.product(inner).flatten_domain().flatten_range()
        relation = relation.product(_place(after)).flatten_domain().flatten_range()
        relation = relation.apply_range(piece.relation)
        segments = (*piece.segments[:axis], *(0 for _ in new), *piece.segments[axis + count :])
        relation = relation.intersect_domain(
            box(value.sizes, [size for axis, n in zip(axes, segments, strict=True) for size in axis[n]])
        )
        pieces.append(type(piece)(segments, piece.coefficient, piece.factors, relation))
    return Value(value.sizes, axes, tuple(pieces))


def _names(count: int) -> str:
    return ", ".join(f"n{n}" for n in range(count))


def _place(count: int) -> Any:
    """Return the relation of a tuple to itself."""
    return isl.Map(f"{{ [{_names(count)}] -> [{_names(count)}] }}")


def index_select(call: Call) -> Value:
    """`self`, along an axis at some numbers."""
    value: Value = call["self"]
    return read_by(value, call.axis("dim", value.rank), [call["index"]])


def embedding(call: Call) -> Value:
    """Rows of a table by numbers that are known."""
    return read_by(call["weight"], 0, [call["indices"]])


def gather(call: Call) -> Value:
    """Along an axis the entry with a number that every place has."""
    value, numbers = call["self"], call["index"]
    axis = call.axis("dim", value.rank)
    # [..., j, ...] at [..., n, ...]: all of them, where j is the number.
    chosen = _chosen(numbers.with_one(axis), axis, value.with_one(axis + 1))
    return chosen.summed(axis)


def _chosen(numbers: Value, axis: int, value: Value) -> Value:
    """Return `value` [..., j, n, ...] where j is the number at [..., 1, n, ...], and else zero."""
    for n in range(value.rank):
        if len(value.axes[n]) > 1 or n == axis:
            value = value.flat(n)
        if len(numbers.axes[n]) > 1:
            numbers = numbers.flat(n)
    size = value.size(axis)
    bounded(numbers, function_of(numbers), size)
    value, numbers = aligned(value, numbers)
    function = function_of(numbers)
    place = sum(len(one[0]) for one in value.axes[:axis])
    names = _names(function.dim(isl.dim_type.in_))
    j = f"n{place}" if value.axes[axis][0] else "0"
    where = function.eq_set(isl.PwAff(f"{{ [{names}] -> [{j}] }}"))
    pieces = tuple(
        type(piece)(piece.segments, piece.coefficient, piece.factors, piece.relation.intersect_domain(where))
        for piece in value.pieces
    )
    return Value(value.sizes, value.axes, pieces)


def scatter_add(call: Call) -> Value:
    """`self` with entries of `src` added to those whose numbers every place has."""
    value, numbers, src = call["self"], call["index"], call["src"]
    axis = call.axis("dim", value.rank)
    for n in range(value.rank):
        if not value.sizes.same(numbers.size(n), src.size(n)):
            raise CannotProve("numbers for some entries only")
        if n != axis and not value.sizes.same(numbers.size(n), value.size(n)):
            raise CannotProve("numbers for some entries only")
    value = value.flat(axis)
    spread = src.with_one(axis).expanded(axis, value.axes[axis])
    added = _chosen(numbers.with_one(axis), axis, spread).summed(axis + 1)
    one, other = alike_beside([value, added], -1)
    return one.plus(other)


def index_add(call: Call) -> Value:
    """`self` with entries of `source` along an axis added to those of some numbers."""
    value, numbers, src = call["self"], call["index"], call["source"]
    if call["alpha"] not in (None, 1):
        raise CannotProve("with a factor")
    axis = call.axis("dim", value.rank)
    for _ in range(axis):
        numbers = numbers.with_one(0)
    while numbers.rank < src.rank:
        numbers = numbers.with_one(numbers.rank)
    value = value.flat(axis)
    spread = src.with_one(axis).expanded(axis, value.axes[axis])
    added = _chosen(numbers.with_one(axis), axis, spread).summed(axis + 1)
    one, other = alike_beside([value, added], -1)
    return one.plus(other)


def index_put(call: Call) -> Value:
    """`self` with values written or added at numbers along one axis."""
    value, asked = call["self"], list(call["indices"])
    given = [(n, one) for n, one in enumerate(asked) if one is not None]
    if len(given) != 1 or given[0][1].rank != 1:
        raise CannotProve("along several axes")
    ((axis, numbers),) = given
    if "bool" in str([one.meta["val"].dtype for one in call.node.args[1] if one is not None]):  # type: ignore[union-attr]
        raise CannotProve("by booleans")
    value = value.flat(axis)
    function = function_of(numbers)
    shape = [*value.axes[:axis], numbers.axes[0], *value.axes[axis + 1 :]]
    _, src = aligned(Value(value.sizes, tuple(shape), ()), call["values"])
    by = numbers
    for _ in range(axis):
        by = by.with_one(0)
    while by.rank < src.rank:
        by = by.with_one(by.rank)
    spread = src.with_one(axis).expanded(axis, value.axes[axis])
    added = _chosen(by.with_one(axis), axis, spread).summed(axis + 1)
    if not call["accumulate"]:
        relation = isl.Map.from_pw_aff(function).intersect_params(value.sizes.context)
        if not relation.is_injective():
            raise CannotProve("one entry is written several times")
        value = _without(value, axis, relation.range())
        one, other = alike_beside([value, added], -1)
        return overlaid(one, other)
    one, other = alike_beside([value, added], -1)
    return one.plus(other)


def _without(value: Value, axis: int, places: Any) -> Value:
    """Return the tensor with zeros at some places of an axis of one atom."""
    pieces = []
    for piece in value.pieces:
        before = sum(len(a[n]) for a, n in zip(value.axes[:axis], piece.segments[:axis], strict=True))
        total = piece.relation.dim(isl.dim_type.in_)
        if not value.axes[axis][0]:
            raise CannotProve("an axis of one entry is written to")
        outside = places.complement()
        outside = outside.insert_dims(isl.dim_type.set, 0, before).insert_dims(
            isl.dim_type.set, before + 1, total - before - 1
        )
        relation = piece.relation.intersect_domain(outside)
        pieces.append(type(piece)(piece.segments, piece.coefficient, piece.factors, relation))
    return Value(value.sizes, value.axes, tuple(pieces))


READERS: Mapping[str, Reader] = {
    "index.Tensor": index,
    "_unsafe_index": index,
    "index_select": index_select,
    "gather": gather,
    "scatter_add": scatter_add,
    "index_add": index_add,
    "index_put": index_put,
}
