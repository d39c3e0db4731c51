"""Diagonals, triangles and blocks along them."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from convcheck.all_sizes.layout import merged
from convcheck.all_sizes.new_values import constant
from convcheck.all_sizes.pieces import ONE, axis_of
from convcheck.all_sizes.readers.movement import concatenated
from convcheck.all_sizes.readers.padding import shifted
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def block_diag(call: Call) -> Value:
    """Matrices along a diagonal, and zeros around them."""
    parts: list[Value] = list(call["tensors"])
    for number, part in enumerate(parts):
        while part.rank < 2:
            part = part.with_one(0)
        parts[number] = part
    width = call.shape[1]
    start, rows = sympy.Integer(0), []
    for part in parts:
        rows.append(shifted(part, 1, start, width))
        start = sympy.expand(start + part.size(1))
    return rows[0] if len(rows) == 1 else concatenated(rows, 0)


def triangle(call: Call) -> Value:
    """What is on and below (`tril`) or above (`triu`) a diagonal; zeros elsewhere."""
    return _cut(call, call["self"], "<=" if call.name.startswith("tril") else ">=")


def _cut(call: Call, value: Value, sign: str) -> Value:
    value = value.flat(value.rank - 2).flat(value.rank - 1)
    rows, columns = value.axes[-2:]
    diagonal = call.sizes.text(call.sizes.size(call["diagonal"] or 0))
    row = "n0" if rows != ONE else "0"
    column = ("n1" if rows != ONE else "n0") if columns != ONE else "0"
    where = f"{column} - {row} {sign} {diagonal}"
    names = [name for name, axis in ((row, rows), (column, columns)) if axis != ONE]
    return value.restricted(value.rank - 2, 2, names, where)


def diagonal(call: Call) -> Value:
    """The entries along a diagonal of two axes, as the last axis."""
    value: Value = call["self"]
    first, second = call.axis("dim1", value.rank), call.axis("dim2", value.rank)
    offset = int(call["offset"])
    order = [*(n for n in range(value.rank) if n not in (first, second)), first, second]
    value = value.permuted(order)
    value = value.flat(value.rank - 2).flat(value.rank - 1)
    if ONE in value.axes[-2:]:
        raise CannotProve("of an axis of one entry")
    size, place = call.shape[-1], value.rank - 2
    new = axis_of(size)
    n = "n0" if new != ONE else "0"
    row, column = f"{n} + {max(-offset, 0)}", f"{n} + {max(offset, 0)}"
    return merged(value, place, 2).indexed(place, [new], [row, column])


def diag_embed(call: Call) -> Value:
    """The last axis as a diagonal of two axes, and zeros around it."""
    value: Value = call["self"]
    offset, rank, last = int(call["offset"]), value.rank + 1, value.rank - 1
    first, second = call.axis("dim1", rank), call.axis("dim2", rank)
    value = value.flat(last)
    new = axis_of(call.shape[first])
    if new == ONE:
        value = value.with_one(value.rank)
    else:
        index = [f"n0 - {max(-offset, 0)}"] if value.axes[last] != ONE else []
        where = f"n1 - n0 = {offset} and 0 <= n0 - {max(-offset, 0)} < {call.sizes.text(value.size(last))}"
        value = value.indexed(last, [new, new], index, where)
    order = list(range(last))
    for axis, place in sorted([(first, last), (second, last + 1)]):
        order.insert(axis, place)
    return value.permuted(order)


def eye(call: Call) -> Value:
    """Ones on the diagonal."""
    value = constant(call.sizes, [axis_of(size) for size in call.shape], sympy.Integer(1))
    rows, columns = value.axes
    row, column = "n0" if rows != ONE else "0", ("n1" if rows != ONE else "n0") if columns != ONE else "0"
    names = [name for name, axis in ((row, rows), (column, columns)) if axis != ONE]
    return value.restricted(0, 2, names, f"{row} = {column}")


READERS: Mapping[str, Reader] = {
    "block_diag": block_diag,
    "tril": triangle,
    "triu": triangle,
    "diagonal": diagonal,
    "diag_embed": diag_embed,
    "eye": eye,
}
