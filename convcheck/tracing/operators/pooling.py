"""Operators that average over windows, and interpolation between entries."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from convcheck.tracing.reading import (
    Call,
    Known,
    Operator,
    binary_digits,
    divided,
    first_moved,
    inexact,
    multiplied,
)
from convcheck.tracing.reading import constant as constant_of

aten = torch.ops.aten


def _average(dims: int, call: Call) -> Known:
    """Read an average of windows: as many terms as `divisor_override` says, or as are inside the input."""
    shape = call.shape("self")[-dims:]
    options = {
        name: _spread(call[name], dims)
        for name in ("kernel_size", "stride", "padding")
        if call[name] is not None and call[name] != []
    }
    if dims == 1:
        # Only pools of two axes and more can be given a divisor.
        shape, options = (1, *shape), {name: [int(name != "padding"), *value] for name, value in options.items()}
    flags = {"ceil_mode": bool(call["ceil_mode"])}
    ones = torch.ones((1, 1, *shape), dtype=torch.float64)
    pool: Any = aten.avg_pool3d if dims == 3 else aten.avg_pool2d
    inside = pool(ones, **options, **flags, divisor_override=1)
    if call["divisor_override"]:
        return divided(first_moved(call), constant_of(torch.tensor(float(call["divisor_override"]))))
    share = pool(ones, **options, **flags, count_include_pad=bool(call["count_include_pad"]))
    return divided(first_moved(call), constant_of((inside / share).round()))


def _spread(value: Any, dims: int) -> list[int]:
    return list(value) * dims if len(value) == 1 else list(value)


def _adaptive(dims: int, call: Call) -> Known:
    """Read an average of windows that torch chooses: from `floor(i * n / o)` to `ceil((i + 1) * n / o)`."""
    counts = torch.ones((), dtype=torch.float64)
    for n, o in zip(call.shape("self")[-dims:], call.output.shape[-dims:], strict=True):
        windows = [math.ceil((i + 1) * n / o) - i * n // o for i in range(o)]
        counts = counts.unsqueeze(-1) * torch.tensor(windows, dtype=torch.float64)
    return divided(first_moved(call), constant_of(counts))


def _interpolated(dims: int, call: Call) -> Known:
    """Read a linear interpolation, axis by axis: its weights are what it makes of an identity."""
    scales = call["scale_factors"]
    bits = 0
    for axis, (n, o) in enumerate(zip(call.shape(_input(call))[-dims:], call.output.shape[-dims:], strict=True)):
        identity = torch.eye(n, dtype=torch.float64).unsqueeze(0)
        scale = (scales[axis] if scales else None) or _scale(call, axis, dims)
        weights: Tensor = aten.upsample_linear1d(identity, [o], bool(call["align_corners"]), scale)
        bits += binary_digits(weights) or 0
    known = first_moved(call)
    result = multiplied(known, Known(bits=bits))
    return (
        result if result.bits is not None else inexact(result, "interpolates with weights that are no short fractions")
    )


def _input(call: Call) -> str:
    return "input" if "input" in call.nodes else "self"


def _scale(call: Call, axis: int, dims: int) -> float | None:
    names = ["scales"] if dims == 1 else [f"scales_{letter}" for letter in "dhw"[-dims:]]
    value = call[names[axis]]
    return None if value is None else float(value)


def _of(read: Callable[[int, Call], Known], dims: int) -> Operator:
    return Operator(partial(read, dims))


OPERATORS = {
    **{f"avg_pool{dims}d": _of(_average, dims) for dims in (1, 2, 3)},
    **{f"adaptive_avg_pool{dims}d": _of(_adaptive, dims) for dims in (1, 2, 3)},
    **{f"_adaptive_avg_pool{dims}d": _of(_adaptive, dims) for dims in (2, 3)},
    "upsample_linear1d": _of(_interpolated, 1),
    "upsample_bilinear2d": _of(_interpolated, 2),
    "upsample_trilinear3d": _of(_interpolated, 3),
}
