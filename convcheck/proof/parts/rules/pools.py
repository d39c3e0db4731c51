"""Averages over windows, and interpolation: along every axis a matrix, which is what they make of an identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convcheck.proof.parts.fields import Field, Numbers


def _along(field: Field, x: Numbers, dims: int, matrix: Callable[[Tensor, int], Tensor]) -> Numbers:
    """Multiply each of the last axes with the matrix that a function makes of an identity `[1, n, n]`."""
    for place in range(dims):
        axis = place - dims
        weights = field.lift(matrix(torch.eye(x.shape[axis], dtype=torch.float64).unsqueeze(0), place)[0])
        x = field.product(lambda one, other, axis=axis: (one.movedim(axis, -1) @ other).movedim(-1, axis), x, weights)
    return x


def _of(value: Any, place: int) -> Any:
    """Return the entry for an axis, of a number or a list of one or as many as there are axes."""
    if not isinstance(value, Sequence):
        return value
    return value[place % len(value)] if value else None


def _average(dims: int, field: Field, given: Any) -> Any:
    x, divisor = given["self"], given.get("divisor_override")

    def matrix(identity: Tensor, place: int) -> Tensor:
        kernel, stride, padding = (_of(given.get(name), place) for name in ("kernel_size", "stride", "padding"))
        options = bool(given.get("ceil_mode")), bool(given.get("count_include_pad", True))
        averages = functional.avg_pool1d(identity, kernel, stride or kernel, padding or 0, *options)
        return (averages != 0).double() if divisor else averages

    result = _along(field, x, dims, matrix)
    return field.scale(result, divisor, inverse=True) if divisor else result


def _adaptive(dims: int, field: Field, given: Any) -> Any:
    def matrix(identity: Tensor, place: int) -> Tensor:
        return functional.adaptive_avg_pool1d(identity, _of(given["output_size"], place))

    return _along(field, given["self"], dims, matrix)


def _interpolated(dims: int, field: Field, given: Any) -> Any:
    x = given["input"] if "input" in given else given["self"]
    names = ["scales"] if dims == 1 else [f"scales_{letter}" for letter in "dhw"[-dims:]]

    def matrix(identity: Tensor, place: int) -> Tensor:
        scale = _of(given.get("scale_factors"), place) or given.get(names[place])
        size = _of(given.get("output_size"), place) or int(identity.shape[-1] * scale)
        upsample: Any = torch.ops.aten.upsample_linear1d
        weights: Tensor = upsample(identity, [size], bool(given["align_corners"]), scale)
        return weights

    return _along(field, x, dims, matrix)


_LINEAR = {1: "linear1d", 2: "bilinear2d", 3: "trilinear3d"}

RULES = {
    **{f"avg_pool{dims}d": partial(_average, dims) for dims in (1, 2, 3)},
    **{f"{name}adaptive_avg_pool{dims}d": partial(_adaptive, dims) for dims in (1, 2, 3) for name in ("", "_")},
    **{f"upsample_{name}": partial(_interpolated, dims) for dims, name in _LINEAR.items()},
}
