"""Tensors that operators make of nothing but sizes and numbers.

Refuses random ones. What `empty` makes has no values: it can be moved and overwritten, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy
import torch

from convcheck.all_sizes.new_values import constant, source
from convcheck.all_sizes.pieces import axis_of
from convcheck.all_sizes.readers.arithmetic import number
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.value import Value


def zeros(call: Call) -> Value:
    """Zeros."""
    return constant(call.sizes, [axis_of(size) for size in call.shape], 0)


def ones(call: Call) -> Value:
    """Ones."""
    return constant(call.sizes, [axis_of(size) for size in call.shape], sympy.Integer(1))


def full(call: Call) -> Value:
    """One number everywhere."""
    name = next(name for name in ("fill_value", "value", "s") if name in call.arguments)
    return filled(call, call[name])


def filled(call: Call, value: object) -> Value:
    """Return a tensor of the traced shape that is one number, or a tensor of one entry, everywhere."""
    axes = [axis_of(size) for size in call.shape]
    if isinstance(value, Value):
        if value.rank:
            raise CannotProve("filled with a tensor")
        for axis, one in enumerate(axes):
            value = value.with_one(axis).expanded(axis, one)
        return value
    dtype = call.node.meta["val"].dtype
    if isinstance(value, (bool, int, float)) and not dtype.is_floating_point:
        value = bool(value) if dtype == torch.bool else int(value)
    return constant(call.sizes, axes, number(call, value))


def empty(call: Call) -> Value:
    """A tensor without values."""
    return source(call.sizes, f"{call.node.name} (no values)", [axis_of(size) for size in call.shape], is_inert=True)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros", "zero"), zeros),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), ones),
    **dict.fromkeys(("full", "full_like", "new_full", "scalar_tensor", "fill"), full),
    **dict.fromkeys(("empty", "empty_like", "new_empty"), empty),
}
