"""Tensors cut in parts, and put together of parts that have an axis of their own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import sympy

from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.readers.movement import concatenated, sliced
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.value import Value


def split(call: Call) -> tuple[Value, ...]:
    """Parts of one length, or of given lengths, of which there are as many as torch traced."""
    value: Value = call["self"]
    axis = call.axis("dim", value.rank)
    lengths = [call.sizes.size(part.shape[axis]) for part in call.node.meta["val"]]
    starts: list[Size] = list(accumulate(lengths[:-1], lambda a, b: sympy.expand(a + b), initial=sympy.Integer(0)))
    return tuple(sliced(value, axis, start, one) for start, one in zip(starts, lengths, strict=True))


def unbind(call: Call) -> tuple[Value, ...]:
    """The entries along an axis, which goes; there are as many as torch traced."""
    value: Value = call["self"]
    axis, count = call.axis("dim", value.rank), len(call.node.meta["val"])
    return tuple(sliced(value, axis, sympy.Integer(n), sympy.Integer(1)).without_one(axis) for n in range(count))


def stack(call: Call) -> Value:
    """Tensors of one shape along a new axis."""
    parts: list[Value] = list(call["tensors"])
    axis = call.axis("dim", parts[0].rank + 1)
    if len(parts) == 1:
        return parts[0].with_one(axis)
    return concatenated([one.with_one(axis) for one in parts], axis)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("split.Tensor", "split_with_sizes", "unsafe_split.Tensor", "unsafe_split_with_sizes"), split),
    "unbind.int": unbind,
    "stack": stack,
}
