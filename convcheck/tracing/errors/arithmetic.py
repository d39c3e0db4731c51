"""Sums, products and quotients of two numbers, entry by entry, each stored once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convcheck.rounding.precision import Arithmetic
from convcheck.rounding.running_error import Computed
from convcheck.tracing.errors.call import Call, Rule, operand


def product(a: Computed, b: Computed, unit: Arithmetic) -> tuple[Tensor, Tensor]:
    """Return a * b and what the errors of both make of it: `|a| e_b + e_a |b| + e_a e_b`, and what underflows."""
    error = _times(a.size(), b.error) + _times(a.error, b.value.abs())
    return a.value * b.value, error + unit.sum_underflow


def _times(size: Tensor, error: Tensor) -> Tensor:
    # Infinity may stand in a mask, and has no error.
    return torch.where(error == 0, 0.0, size * error)


def added(call: Call, x: Any, y: Any, *, alpha: float = 1) -> Computed:
    """`e_x + |alpha| e_y`, stored; a factor is applied in the accumulator."""
    a, b, factor = operand(x, call.unit), operand(y, call.unit), abs(alpha)
    value, error = a.value + alpha * b.value, a.error + factor * b.error
    if factor != 1:
        error = error + 2 * call.unit.accumulator * factor * b.size() + call.unit.sum_underflow
    # Infinity has no error; the larger of the two may be all that is left.
    return _finite(call.rounded(value, error))


def subtracted(call: Call, x: Any, y: Any, *, alpha: float = 1) -> Computed:
    return added(call, x, y, alpha=-alpha)


def subtracted_from(call: Call, x: Any, y: Any, *, alpha: float = 1) -> Computed:
    return added(call, y, x, alpha=-alpha)


def multiplied(call: Call, x: Any, y: Any) -> Computed:
    return _finite(call.rounded(*product(operand(x, call.unit), operand(y, call.unit), call.unit)))


def divided(call: Call, x: Any, y: Any, *, rounding_mode: str | None = None) -> Computed:
    """`(e_x + |x / y| e_y) / (|y| - e_y)`; a kernel may round 1 / y first."""
    if rounding_mode is not None:
        raise NotImplementedError
    a, b = operand(x, call.unit), operand(y, call.unit)
    value = a.value / b.value
    nearest = (b.value.abs() - b.error).clamp(min=0)
    error = (a.error + _times(value.abs(), b.error)) / nearest
    error = torch.where(a.error + b.error == 0, 0.0, error)
    return _finite(call.rounded(value, error + 2 * call.unit.accumulator * (value.abs() + error)))


def negated(call: Call, x: Computed) -> Computed:
    return Computed(-x.value, x.error)


def inverted(call: Call, x: Computed) -> Computed:
    return divided(call, 1.0, x)


def _finite(result: Computed) -> Computed:
    return Computed(result.value, torch.where(result.value.isinf(), 0.0, result.error))


RULES: dict[str, Rule] = {
    "add": added,
    "sub": subtracted,
    "rsub": subtracted_from,
    "mul": multiplied,
    "div": divided,
    "true_divide": divided,
    "neg": negated,
    "reciprocal": inverted,
}
