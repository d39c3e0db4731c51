"""Comparisons and what is chosen by them, and steps, where a rounding may decide.

A boolean that depends on numbers with errors is a `Computed`: its error is 1 where it may be either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convcheck.rounding.running_error import Computed
from convcheck.tracing.errors.call import Call, Rule, axes_of, operand, values


def compared(call: Call, x: Any, y: Any) -> Computed:
    a, b = operand(x, call.unit), operand(y, call.unit)
    unsure = ((a.value - b.value).abs() <= a.error + b.error) & (a.error + b.error > 0)
    return Computed(call.operator(a.value, y.value if isinstance(y, Computed) else y), unsure.double())


def combined(call: Call, *masks: Any) -> Computed:
    unsure = [mask.error for mask in masks if isinstance(mask, Computed)]
    value = call.operator(*values(masks))
    return Computed(value, torch.stack([u.expand(value.shape) for u in unsure]).amax(0))


def reduced(call: Call, mask: Computed, dim: Any = None, keepdim: bool = False) -> Computed:
    value = mask.value.any(dim, keepdim) if dim is not None else mask.value.any()
    if "all" in str(call.operator):
        value = mask.value.all(dim, keepdim) if dim is not None else mask.value.all()
    return Computed(value, mask.error.amax(axes_of(dim, mask.value.ndim), keepdim))


def where(call: Call, mask: Any, x: Any, y: Any) -> Computed:
    """Choose; where the choice is unsure, the two are apart by that much more."""
    a, b = operand(x, call.unit), operand(y, call.unit)
    certain = mask.value if isinstance(mask, Computed) else mask
    value, error = torch.where(certain, a.value, b.value), torch.where(certain, a.error, b.error)
    if isinstance(mask, Computed):
        either = (a.value - b.value).abs() + torch.maximum(a.error, b.error)
        error = torch.where(mask.error > 0, either, error)
    return Computed(value, error)


def filled(call: Call, x: Computed, mask: Any, value: Any) -> Computed:
    return where(call, mask, value, x)


def step(function: Callable[[Tensor], Tensor]) -> Rule:
    """Return the rule of a function that rises by steps."""

    def rule(_call: Call, x: Computed) -> Computed:
        value = function(x.value)
        low, high = function(x.value - x.error), function(x.value + x.error)
        return Computed(value, torch.maximum(value - low, high - value))

    return rule


RULES: dict[str, Rule] = {
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), compared),
    **dict.fromkeys(("logical_not", "logical_and", "logical_or", "bitwise_not", "bitwise_and", "bitwise_or"), combined),
    **dict.fromkeys(("any", "all"), reduced),
    "where": where,
    "masked_fill": filled,
    "floor": step(torch.floor),
    "ceil": step(torch.ceil),
    "round": step(torch.round),
    "trunc": step(torch.trunc),
    "sign": step(torch.sign),
}
