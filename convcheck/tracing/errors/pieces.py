"""Functions made of straight pieces of slope up to 1, and maxima: an error grows by none of them.

Whatever is chosen of numbers that are off by e each is off by no more than the largest e among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from convcheck.rounding.running_error import Computed, stored
from convcheck.tracing.errors.call import Call, Rule, Unknown, axes_of, operand


def rectified(call: Call, x: Computed) -> Computed:
    return clamped(call, x, 0.0)


def clamped(call: Call, x: Computed, low: Any = None, high: Any = None) -> Computed:
    """Cut off; what is farther below, or above, than its error is known exactly."""
    value, error = x.value, x.error
    below, above = (torch.zeros_like(value, dtype=torch.bool) for _ in range(2))
    for limit, beyond, cut in ((low, below, torch.maximum), (high, above, torch.minimum)):
        if limit is None:
            continue
        bound = operand(limit, call.unit)
        sure = value + error < bound.value if cut is torch.maximum else value - error > bound.value
        near = value - error < bound.value + bound.error if cut is torch.maximum else value + error > bound.value
        error = torch.where(sure, bound.error, torch.where(near, torch.maximum(error, bound.error), error))
        value = cut(value, bound.value)
        beyond |= sure
    return Computed(value, error)


def leaky(call: Call, x: Computed, slope: float = 0.01) -> Computed:
    """`slope * x` below 0, where it is rounded."""
    steepest = max(1.0, abs(slope))
    below = stored(Computed(slope * x.value, abs(slope) * x.error), call.unit)
    scale = operand(slope, call.unit)
    below = Computed(below.value, below.error + scale.error * x.size())
    value = torch.where(x.value > 0, x.value, below.value)
    apart = torch.where(x.value.abs() <= x.error, steepest * x.error + below.error, below.error)
    return Computed(value, torch.where(x.value > x.error, x.error, apart))


def absolute(call: Call, x: Computed) -> Computed:
    return Computed(x.value.abs(), x.error)


def larger(call: Call, x: Any, y: Any) -> Computed:
    return _chosen(call, operand(x, call.unit), operand(y, call.unit), torch.maximum)


def smaller(call: Call, x: Any, y: Any) -> Computed:
    return _chosen(call, operand(x, call.unit), operand(y, call.unit), torch.minimum)


def _chosen(call: Call, a: Computed, b: Computed, choose: Any) -> Computed:
    sign = 1 if choose is torch.maximum else -1
    first = sign * (a.value - b.value) > a.error + b.error
    second = sign * (b.value - a.value) > a.error + b.error
    error = torch.where(first, a.error, torch.where(second, b.error, torch.maximum(a.error, b.error)))
    return Computed(choose(a.value, b.value), error)


def largest(call: Call, x: Computed, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Any:
    """The maximum along axes; with one axis of `max`, its place as well, which roundings decide."""
    return _extreme(call, x, dim, keepdim, torch.amax)


def smallest(call: Call, x: Computed, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Any:
    return _extreme(call, x, dim, keepdim, torch.amin)


def _extreme(call: Call, x: Computed, dim: Any, keepdim: bool, choose: Any) -> Any:
    axes = axes_of(dim, x.value.ndim)
    chosen = Computed(choose(x.value, axes, keepdim), x.error.amax(axes, keepdim))
    return (
        chosen if dim is None or "amax" in str(call.operator) or "amin" in str(call.operator) else (chosen, Unknown())
    )


def pooled(call: Call, x: Computed, *settings: Any) -> tuple[Computed, Unknown]:
    value, error = (_first(call.operator(tensor, *settings)) for tensor in (x.value, x.error))
    return Computed(value, error), Unknown()


def pooled_alone(call: Call, x: Computed, *settings: Any) -> Computed:
    return pooled(call, x, *settings)[0]


def _first(result: Any) -> Tensor:
    tensor: Tensor = result[0] if isinstance(result, tuple) else result
    return tensor


RULES: dict[str, Rule] = {
    "relu": rectified,
    "relu6": lambda call, x: clamped(call, x, 0.0, 6.0),
    "clamp": clamped,
    "clamp_min": clamped,
    "clamp_max": lambda call, x, high: clamped(call, x, None, high),
    "hardtanh": lambda call, x, low=-1.0, high=1.0: clamped(call, x, low, high),
    "leaky_relu": leaky,
    "abs": absolute,
    "maximum": larger,
    "minimum": smaller,
    "max": largest,
    "min": smallest,
    "amax": largest,
    "amin": smallest,
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool3d_with_indices"), pooled),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"), pooled),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), pooled_alone),
}
