"""Comparisons, which are numbers 0 and 1 of which nothing is known, choices by them, and the largest of several."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts.fields import UNKNOWN, Field, Numbers, Unproven, Whole, lifted

_COMPARISONS = {"eq": torch.eq, "ne": torch.ne, "gt": torch.gt, "lt": torch.lt, "ge": torch.ge, "le": torch.le}


def _compared(name: str, field: Field, given: Any) -> Any:
    x, y = given["self"], given["other"]
    if not isinstance(x, Numbers):
        return NotImplemented
    infinite = isinstance(y, (int, float)) and math.isinf(y)
    if infinite and name in ("eq", "ne"):
        # Numbers are finite but where a constant hides them.
        return Whole(tuple(_COMPARISONS[name](one, y) for one in x.samples))
    field.cut("a comparison")
    if isinstance(y, (int, float)):
        return field.function(f"{name} {float(y)}", x, differentiable=False)
    return field.function(name, x, lifted(field, y), differentiable=False)


def _other(field: Field, mask: Numbers) -> Numbers:
    return field.subtract(field.lift(1.0), mask)


def _not(field: Field, given: Any) -> Any:
    return _other(field, given["self"]) if isinstance(given["self"], Numbers) else NotImplemented


def _both(field: Field, given: Any) -> Any:
    x, y = given["self"], given["other"]
    return field.multiply(x, y) if isinstance(x, Numbers) and isinstance(y, Numbers) else NotImplemented


def _chosen(field: Field, mask: Numbers, first: Any, second: Any) -> Numbers:
    kept = field.multiply(mask, lifted(field, first))
    return field.add(kept, field.multiply(_other(field, mask), lifted(field, second)))


def _where(field: Field, given: Any) -> Any:
    condition = given["condition"]
    if not isinstance(condition, Numbers):
        return NotImplemented
    return _chosen(field, condition, given["self"], given["other"])


def _filled(field: Field, given: Any) -> Any:
    mask, value = given["mask"], given["value"]
    if not isinstance(mask, Numbers):
        return NotImplemented
    if isinstance(value, (int, float)) and not math.isfinite(value):
        raise Unproven("what depends on numbers hides by infinity")
    return _chosen(field, mask, value, given["self"])


def _extreme(name: str, field: Field, given: Any) -> Any:
    x, dims = given["self"], given.get("dim")
    field.cut(name)
    dims = list(range(len(x.shape))) if dims in (None, []) else [dims] if isinstance(dims, int) else list(dims)
    result = field.of_all(name, x, dims)
    if given.get("keepdim"):
        return result
    axes = {dim % len(x.shape) for dim in dims}
    shape = [n for axis, n in enumerate(x.shape) if axis not in axes]
    return field.linear(lambda one: one.reshape(shape), result)


def _by_dim(name: str, field: Field, given: Any) -> Any:
    """Return the largest or smallest along an axis; where it stands is not known."""
    if isinstance(given.get("other"), (Tensor, Numbers)):
        field.cut(name)
        return field.function(name, lifted(field, given["self"]), lifted(field, given["other"]))
    result = _extreme(f"a{name}", field, given)
    return result if "dim" not in given else (result, UNKNOWN)


def _pooled(dims: int, field: Field, given: Any, *, indices: bool = False) -> Any:
    x = given["self"]

    def spread(value: Any, default: Any) -> list[int]:
        value = default if value in (None, []) else value
        return [value] * dims if isinstance(value, int) else list(value) * (dims if len(value) == 1 else 1)

    kernel = spread(given["kernel_size"], None)
    stride = spread(given.get("stride"), kernel)
    padding, dilation = spread(given.get("padding"), 0), spread(given.get("dilation"), 1)
    if given.get("ceil_mode") or set(dilation) != {1}:
        raise Unproven("a pool rounds up, or is dilated")
    widths = [width for one in reversed(padding) for width in (one, one)]

    def windows(one: Tensor) -> Tensor:
        one = torch.nn.functional.pad(one, widths, value=-math.inf)
        first = one.ndim - dims
        for axis, (k, s) in enumerate(zip(kernel, stride, strict=True)):
            one = one.unfold(first + axis, k, s)
        return one

    field.cut("max pool")
    apart = field.run(windows, (x,), x.degree, _absolute(windows), adds=True)
    result = field.of_all("amax", apart, range(-dims, 0))
    joined = field.linear(lambda one: one.reshape(one.shape[:-dims]), result)
    return (joined, UNKNOWN) if indices else joined


def _absolute(function: Any) -> Any:
    def absolute(one: Tensor) -> Tensor:
        result: Tensor = function(one)
        return torch.where(result.isinf(), 0.0, result)

    return absolute


RULES = {
    **{name: partial(_compared, name) for name in _COMPARISONS},
    **dict.fromkeys(["logical_not", "bitwise_not"], _not),
    **dict.fromkeys(["logical_and", "bitwise_and"], _both),
    "where": _where,
    "masked_fill": _filled,
    **{name: partial(_extreme, name) for name in ("amax", "amin")},
    **{name: partial(_by_dim, name) for name in ("max", "min")},
    **{name: partial(_by_dim, short) for name, short in (("maximum", "max"), ("minimum", "min"))},
    **{f"max_pool{dims}d": partial(_pooled, dims) for dims in (1, 2, 3)},
    **{f"max_pool{dims}d_with_indices": partial(_pooled, dims, indices=True) for dims in (2, 3)},
}
