"""Axes made longer at their ends, by zeros, a number, or entries of the tensor.

torch's guards say where a pad is too long for a reflection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convcheck.all_sizes.new_values import constant, overlaid
from convcheck.all_sizes.pieces import ONE, axis_of
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.readers.arithmetic import number
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def constant_pad_nd(call: Call) -> Value:
    """A number around, or less than there was where a pad is negative."""
    value: Value = call["self"]
    fill = number(call, call["value"] or 0)
    inside = constant(call.sizes, value.axes, 1)
    for axis, before, _ in _pads(call, value):
        value = shifted(value, axis, before, call.shape[axis])
        if fill != 0:
            inside = shifted(inside, axis, before, call.shape[axis])
    if fill == 0:
        return value
    around = constant(call.sizes, value.axes, fill)
    outside = tuple(
        type(piece)(
            piece.segments,
            piece.coefficient,
            piece.factors,
            _minus(piece.relation, [one.relation for one in inside.pieces if one.segments == piece.segments]),
        )
        for piece in around.pieces
    )
    return overlaid(value, Value(call.sizes, value.axes, outside))


def _minus(relation: object, others: Sequence[object]) -> object:
    for other in others:
        relation = relation.subtract(other)  # type: ignore[attr-defined]
    return relation


def shifted(value: Value, axis: int, before: Size, new: Size) -> Value:
    """Return the tensor with an axis of `new` entries, the first of which stands `before` the old first one."""
    if value.sizes.same(new, value.size(axis)) and before == 0:
        return value
    value = value.flat(axis)
    n = "n0" if axis_of(new) != ONE else "0"
    place = f"{n} - {value.sizes.text(before)}"
    if value.axes[axis] == ONE:
        return value.indexed(axis, [axis_of(new)], [], f"{place} = 0")
    return value.indexed(axis, [axis_of(new)], [place])


def reflection_pad(call: Call) -> Value:
    """Entries mirrored at both ends, which are not repeated."""
    value: Value = call["self"]
    for axis, before, after in _pads(call, value, "padding"):
        size = value.sizes.text(value.size(axis) - 1)
        _check_longer(value, axis, before, after)
        value = _read(value, axis, before, call.shape[axis], ("-{m}", "{m}", f"2*{size} - {{m}}"))
    return value


def replication_pad(call: Call) -> Value:
    """The first and the last entry repeated."""
    value: Value = call["self"]
    for axis, before, _ in _pads(call, value, "padding"):
        size = value.sizes.text(value.size(axis) - 1)
        value = _read(value, axis, before, call.shape[axis], ("0", "{m}", size))
    return value


def _pads(call: Call, value: Value, name: str = "pad") -> list[tuple[int, Size, Size]]:
    """Return the axes that change, with how many entries come before and behind."""
    pads = [call.sizes.size(one) for one in call[name]]
    pairs = [(value.rank - 1 - n // 2, pads[n], pads[n + 1]) for n in range(0, len(pads), 2)]
    return [(axis, before, after) for axis, before, after in pairs if (before, after) != (0, 0)]


def _check_longer(value: Value, axis: int, before: Size, after: Size) -> None:
    if not all(value.sizes.implies(">", value.size(axis) - one) for one in (before, after)):
        raise CannotProve(f"{before} and {after} entries of {value.size(axis)} are mirrored")


def _read(value: Value, axis: int, before: Size, new: Size, index: tuple[str, str, str]) -> Value:
    """Read an axis at three linear places: before the first entry, between, and behind the last one."""
    if value.axes[axis] == ONE:
        return value.expanded(axis, axis_of(new))
    value = value.flat(axis)
    last = value.sizes.text(value.size(axis) - 1)
    place = f"({'n0' if axis_of(new) != ONE else '0'} - {value.sizes.text(before)})"
    low, middle, high = (one.format(m=place) for one in index)
    cases = (
        f"({place} < 0 and e = {low}) or (0 <= {place} <= {last} and e = {middle}) or ({place} > {last} and e = {high})"
    )
    return value.indexed(axis, [axis_of(new)], ["e"], cases)


READERS: Mapping[str, Reader] = {
    "constant_pad_nd": constant_pad_nd,
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d", "reflection_pad3d"), reflection_pad),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d", "replication_pad3d"), replication_pad),
}
