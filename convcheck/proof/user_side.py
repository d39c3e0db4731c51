"""A module of the user's own as a side: it brings its constants, and what it raises names the user's line."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from convcheck.errors import CannotRunError
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side
from convcheck.tracing.float64_copy import CastsWidened, float64_by_default
from convcheck.user_code.user_module import code_may_fail


@dataclass(frozen=True)
class UserSide(Side):
    """A side whose code is not convcheck's."""

    wide: nn.Module = field(default_factory=nn.Identity)
    """The module in float64, with the tensors in its attributes."""

    def run(self, sample: Sample) -> Tensor:
        first = next((tensor for tensor in sample.tensors().values() if tensor.is_floating_point()), torch.zeros(()))
        if first.dtype != torch.float64:
            # Tensors that the code makes are what the user would get.
            return _run(self.module, sample, first)
        with float64_by_default():
            try:
                return _run(self.wide, sample, first)
            except CannotRunError:
                # Numbers that code casts to float32 do not meet weights in float64.
                with suppress(CannotRunError), CastsWidened():
                    return _run(self.wide, sample, first)
                raise


def _run(module: nn.Module, sample: Sample, like: Tensor) -> Tensor:
    with code_may_fail():
        # What code writes to its inputs and weights is nobody else's.
        inputs = tuple(tensor.clone() for tensor in sample.inputs)
        tensors = {name: tensor.clone() for name, tensor in _constants(module, sample, like).items()}
        output: Tensor = holding(module, tensors)(*inputs)
    return output


def holding(module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of a module that holds tensors in the places of its own, tied ones in all of their places.

    It holds them for good: what is computed again for a gradient, as by a checkpoint, meets them as well.
    """
    names = {id(tensor): name for name, tensor in _held(module)}
    copied = copy.deepcopy(module, {id(tensor): tensor for _, tensor in _held(module)})
    for inner in copied.modules():
        for held in (inner._parameters, inner._buffers):
            for name, tensor in held.items():
                if tensor is not None and names[id(tensor)] in tensors:
                    held[name] = tensors[names[id(tensor)]]  # type: ignore[assignment]  # as functional_call does
    return copied


def _held(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _constants(module: nn.Module, sample: Sample, like: Tensor) -> Mapping[str, Tensor]:
    """Return the sample's tensors and the module's buffers that are not among them, on the device of `like`."""
    buffers = {
        name: tensor.to(like.device, like.dtype if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in module.named_buffers()
    }
    # Loaded weights are contiguous, and code with views relies on it; mapped ones are what a pattern made of them.
    return {**buffers, **{name: tensor.contiguous() for name, tensor in sample.parameters.items()}}
