"""Runs a user's module twice, to see whether it is a function of its inputs and weights at all."""

from __future__ import annotations

import torch
from torch import Tensor

from convcheck.errors import CannotRunError, cut
from convcheck.tracing.float64_copy import CastsWidened, float64_by_default, float64_copy, widened
from convcheck.user_code.user_module import UserModule, code_may_fail, draw_inputs

ANOTHER = 2.0**-30
"""Of the largest output: what float64 never rounds, unless a module narrows numbers."""


def no_function(side: UserModule) -> tuple[str, ...]:
    """Return sentences on why a module is no function; none if it gives the same answer twice.

    The numbers that it may draw are others each time, and its inputs the same.

    Raises:
        CannotRunError: it raises.
    """
    module = side.build()
    inputs = draw_inputs(side.specs, torch.Generator().manual_seed(1))
    outputs = []
    with torch.random.fork_rng(devices=[]), torch.no_grad(), code_may_fail():
        state = _tensors(module)
        for seed in (0, 1, 1):
            torch.default_generator.manual_seed(seed)
            outputs.append(module(*(tensor.clone() for tensor in inputs)))
    first, second, third = outputs
    changed = [name for name, tensor in _tensors(module).items() if not _same(tensor, state[name])]
    if _same(first, second) and _same(second, third):
        return (f"{side} gives another answer where gradients are taken",) if _depends_on_grad(module, inputs) else ()
    if not _same(second, third):
        what = f"it keeps state ({cut(', '.join(changed), 100)})" if changed else "it keeps state"
    else:
        what = "it draws random numbers in forward"
    return (f"{side} gives two answers to the same inputs: {what}",)


def _depends_on_grad(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> bool:
    """Tell whether outputs in float64 are others in grad mode, by more than what is computed in another way rounds."""
    try:
        wide = float64_copy(module)
    except Exception:  # whatever a module raises that has no copy
        return False
    given = tuple(map(widened, inputs))
    try:
        plain, graded = _both_modes(wide, given)
    except CannotRunError:
        with CastsWidened():
            plain, graded = _both_modes(wide, given)
    if plain.shape != graded.shape:
        return True
    finite = plain.isfinite() & graded.isfinite()
    gap = torch.where(finite, plain - graded, 0.0).abs()
    return bool(gap.numel()) and bool(gap.max() > ANOTHER * torch.where(finite, plain, 0.0).abs().max())


def _both_modes(wide: torch.nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return a module's output without and with gradients."""
    with torch.random.fork_rng(devices=[]), float64_by_default(), code_may_fail():
        with torch.no_grad():
            plain: Tensor = wide(*(tensor.clone() for tensor in given))
        with torch.enable_grad():
            leaves = [one.clone().requires_grad_() if one.is_floating_point() else one.clone() for one in given]
            # No leaf, as it may be written to.
            return plain, wide(*(one.clone() for one in leaves)).detach()


def _tensors(module: torch.nn.Module) -> dict[str, Tensor]:
    named = (*module.named_parameters(), *module.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in named}


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
