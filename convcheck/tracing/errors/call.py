"""What a rule is handed besides the arguments, and what rules share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from convcheck.rounding.precision import Arithmetic
from convcheck.rounding.running_error import Computed, exactly, stored

Rule = Callable[..., Any]


@dataclass(frozen=True)
class Call:
    """One operator: torch's function, and the arithmetic in which its result is stored."""

    operator: Callable[..., Any]
    unit: Arithmetic

    def rounded(self, value: Tensor, error: Tensor) -> Computed:
        """Return a value that is stored once, with the error that comes in."""
        return stored(Computed(value, error), self.unit)


class Unknown:
    """A result that depends on roundings and is no number with an error, such as the place of a maximum."""


def values(tree: Any) -> Any:
    """Return arguments with values in the places of `Computed`."""
    return tree_map_only(Computed, lambda computed: computed.value, tree)


def errors(tree: Any) -> Any:
    """Return arguments with errors in the places of `Computed`."""
    return tree_map_only(Computed, lambda computed: computed.error, tree)


def constant(value: Tensor, unit: Arithmetic) -> Computed:
    """Return numbers that stand in the code: off by one rounding where the dtype does not hold them."""
    value = value.double()
    if not unit.output:
        return exactly(value)
    mantissa, _ = torch.frexp(value)
    whole = mantissa / unit.output
    fits = (whole == whole.round()) & ((value.abs() >= unit.normal) | (value == 0)) | ~value.isfinite()
    error = torch.where(fits, 0.0, unit.output * value.abs() + unit.underflow)
    return of_constants(Computed(value, error.nan_to_num(0.0)), unit)


def of_constants(computed: Computed, unit: Arithmetic) -> Computed:
    """Return numbers that are made of constants alone, with what these may be off where float32 does not hold them."""
    if not unit.constants:
        return computed
    off = torch.where(computed.value.float() == computed.value, 0.0, unit.constants * computed.value.abs())
    return Computed(computed.value, computed.error + off.nan_to_num(0.0))


def operand(number: Any, unit: Arithmetic) -> Computed:
    """Return a tensor, or a number of the code, as values with errors."""
    if isinstance(number, Computed):
        return number
    return constant(number if isinstance(number, Tensor) else torch.tensor(number, dtype=torch.float64), unit)


def axes_of(axes: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Return the axes that torch means, from 0 on: all of them for none."""
    chosen = [axes] if isinstance(axes, int) else list(axes or range(rank))
    return tuple(axis % rank if rank else 0 for axis in chosen)


def length(value: Tensor, axes: Sequence[int]) -> int:
    """Return the number of entries along the axes."""
    return math.prod(value.shape[axis] for axis in axes) if value.ndim else 1
