"""Softmax and its logarithm; see `convcheck.rounding.running_error` for the formula."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from convcheck.rounding.precision import LAMBDA
from convcheck.rounding.running_error import EXPONENTIAL_ULPS, Computed
from convcheck.tracing.errors.call import Call, Rule


def _open(call: Call, x: Computed, dim: int) -> tuple[Tensor, Tensor]:
    """Return by how much the numbers are open, d, and the logarithm of what all may make of the sum together.

    Where x is so far below the largest that its exponential is nothing, its error is, too.
    """
    logarithms = torch.log_softmax(x.value, dim)
    below = (x.value - x.value.amax(dim, keepdim=True)).abs()
    unknown = x.error + 2 * call.unit.accumulator * below
    unknown = torch.where(x.value.isinf(), 0.0, unknown)
    share = torch.exp(logarithms)
    likely = torch.where(unknown < 1, share * torch.expm1(unknown), torch.exp(logarithms + unknown))
    return unknown, torch.log1p(likely.sum(dim, keepdim=True))


def _rounding(call: Call, terms: int) -> float:
    exponential = EXPONENTIAL_ULPS * 2 * call.unit.accumulator + call.unit.output
    return 2 * exponential + (LAMBDA * math.sqrt(terms) + 1) * call.unit.accumulator


def softmax(call: Call, x: Computed, dim: int, *_: Any) -> Computed:
    value = torch.softmax(x.value, dim)
    unknown, whole = _open(call, x, dim)
    largest = torch.exp(torch.log_softmax(x.value, dim) + unknown + whole)
    change = unknown + whole
    grown = torch.where(change < 1, value * torch.expm1(change), largest)
    error = (grown + _rounding(call, value.shape[dim]) * (value + grown)).clamp(max=1) + call.unit.normal_sum
    return call.rounded(value, error)


def safe_softmax(call: Call, x: Computed, dim: int, *_: Any) -> Computed:
    """Zeros where all numbers are -inf, and the softmax elsewhere."""
    hidden = (x.value == -torch.inf).all(dim, keepdim=True)
    rest = softmax(call, Computed(*(one.masked_fill(hidden, 0.0) for one in (x.value, x.error))), dim)
    return Computed(*(one.masked_fill(hidden, 0.0) for one in (rest.value, rest.error)))


def log_softmax(call: Call, x: Computed, dim: int, *_: Any) -> Computed:
    """`x - max x - log(sum of exp)`: open by d, and by the logarithm of the sum, which is rounded as it is."""
    value = torch.log_softmax(x.value, dim)
    unknown, whole = _open(call, x, dim)
    total = math.log1p(_rounding(call, value.shape[dim]))
    size = value.abs() + 2 * math.log(value.shape[dim] + 1)
    result = call.rounded(value, unknown + whole + total + 4 * call.unit.accumulator * size)
    return Computed(value, torch.where(value.isinf(), 0.0, result.error))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("_softmax", "softmax"), softmax),
    "_safe_softmax": safe_softmax,
    **dict.fromkeys(("_log_softmax", "log_softmax"), log_softmax),
}
