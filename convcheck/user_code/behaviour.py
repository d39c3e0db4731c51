"""Runs a user's module twice, to see whether it is a function of its inputs and weights at all."""

from __future__ import annotations

import torch
from torch import Tensor

from convcheck.errors import cut
from convcheck.user_code.user_module import UserModule, code_may_fail, draw_inputs


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
        return ()
    if not _same(second, third):
        what = f"it keeps state ({cut(', '.join(changed), 100)})" if changed else "it keeps state"
    else:
        what = "it draws random numbers in forward"
    return (f"{side} gives two answers to the same inputs: {what}",)


def _tensors(module: torch.nn.Module) -> dict[str, Tensor]:
    named = (*module.named_parameters(), *module.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in named}


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
