"""Below what the whole numbers of an input have to stay: as large as both sides take them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from convcheck.errors import CannotRunError
from convcheck.results import Sides
from convcheck.user_code.user_module import WHOLE, code_may_fail

LARGEST = 256
"""Whole numbers are drawn below it where both sides take them all."""


def whole_limit(modules: Sides[nn.Module], inputs: tuple[Tensor, ...], number: int, most: int) -> int:
    """Return the largest limit, up to `most`, below which both modules take the whole numbers of an input."""

    def fits(limit: int) -> bool:
        largest = torch.full_like(inputs[number], limit - 1)
        given = (*inputs[:number], largest, *inputs[number + 1 :])
        return all(_runs(module, inputs, given) for module in (modules.reference, modules.candidate))

    if most <= WHOLE or fits(most):
        return most
    low, high = WHOLE, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _runs(module: nn.Module, inputs: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    """Tell whether a module takes other inputs, and returns as many numbers as for these, and finite ones."""
    try:
        with torch.no_grad(), code_may_fail():
            usual, other = (copy.deepcopy(module)(*(one.clone() for one in given)) for given in (inputs, others))
    except CannotRunError:
        return False
    return usual.shape == other.shape and bool(other.isfinite().all())
