"""Casts, and numbers that the code makes of none."""

from __future__ import annotations

from typing import Any

import torch

from convcheck.rounding.running_error import Computed, stored
from convcheck.tracing.errors.call import Call, Rule, Unknown, constant


def cast(call: Call, x: Computed, *more: Any, dtype: torch.dtype | None = None, **_: Any) -> Any:
    """Store in another dtype of floats, whose arithmetic the call has; a whole number is one if no rounding decides."""
    dtype = next((given for given in more if isinstance(given, torch.dtype)), dtype)
    if dtype is None or dtype.is_floating_point:
        if x.value.dtype == torch.bool:
            return Computed(x.value.double(), x.error)
        return stored(x, call.unit) if dtype is not None else x
    if bool(x.error.any()):
        return Unknown()
    return x.value.to(dtype)


def alike(number: float | None) -> Rule:
    """Return the rule of a tensor of one number, as long as another."""

    def rule(call: Call, x: Computed, *rest: Any, **_: Any) -> Computed:
        fill = rest[0] if number is None else number
        return constant(torch.full(x.value.shape, float(fill), dtype=torch.float64), call.unit)

    return rule


RULES: dict[str, Rule] = {
    "_to_copy": cast,
    "to": cast,
    "full_like": alike(None),
    "zeros_like": alike(0.0),
    "ones_like": alike(1.0),
    "empty_like": alike(0.0),
}
