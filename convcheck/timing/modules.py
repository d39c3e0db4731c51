"""Both sides as modules that hold their weights, as they stand in a user's program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convcheck.catalogue.claims import Claim
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence.floating_point import draw
from convcheck.proof.real_weights import with_real_weights
from convcheck.proof.user_side import UserSide, holding
from convcheck.results import Sides
from convcheck.sides.side import Side, torch_may_refuse
from convcheck.sides.torch_modes import known_modes
from convcheck.user_code.user_module import code_may_fail

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The layout of tensors of so many axes in which the channels of a position stand together."""


@dataclass(frozen=True)
class Standing:
    """A module with the weights and inputs that it is run on."""

    module: nn.Module
    inputs: tuple[Tensor, ...]

    def variables(self) -> list[Tensor]:
        """Return what gradients are taken in."""
        return [tensor for tensor in (*self.inputs, *self.module.parameters()) if tensor.requires_grad]

    def held_bytes(self) -> int:
        """Return the bytes of inputs, parameters and buffers."""
        held = (*self.inputs, *self.module.parameters(), *self.module.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in held)


@known_modes()
def standing_modules(claim: Claim, *, channels_last: bool) -> Sides[Standing]:
    """Return both sides of a claim on the numbers of its run, in its dtype and on its device.

    Raises:
        CannotRunError: torch cannot build or move a side.
    """
    case, pair = claim.case, build_pair(claim)
    sample = with_real_weights(draw(pair, case), case)
    with torch_may_refuse():
        sample = sample.to(torch.device(case.device), getattr(torch, case.dtype))
        mapped = pair.mapping.forward(sample.parameters)

        def standing(side: Side, tensors: Mapping[str, Tensor]) -> Standing:
            inputs = [_laid_out(tensor.detach(), channels_last) for tensor in sample.inputs]
            inputs = [tensor.requires_grad_(tensor.is_floating_point()) for tensor in map(torch.clone, inputs)]
            like = next((one for one in (*inputs, *tensors.values()) if one.is_floating_point()), torch.zeros(()))
            module = side.wide if isinstance(side, UserSide) and like.dtype == torch.float64 else side.module
            held = {name: _laid_out(one, channels_last) for name, one in _held(module, tensors, like)}
            return Standing(holding(module, held), tuple(inputs))

        return Sides(standing(pair.reference, sample.parameters), standing(pair.candidate, mapped))


def may_fail(claim: Claim) -> AbstractContextManager[None]:
    """Turn what a side raises into a CannotRunError: all that a user's code raises, and what torch refuses."""
    return code_may_fail() if claim.case.has_code else torch_may_refuse()


def _held(module: nn.Module, tensors: Mapping[str, Tensor], like: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the module's tensors by name: parameters and buffers as given, other buffers on the device of `like`."""
    for name, parameter in module.named_parameters():
        yield name, nn.Parameter(tensors[name].detach().contiguous(), requires_grad=parameter.is_floating_point())
    for name, buffer in module.named_buffers():
        if name in tensors:
            yield name, tensors[name].detach().contiguous()
        elif not buffer.is_meta:
            yield name, buffer.to(like.device, like.dtype if buffer.is_floating_point() else buffer.dtype)


def _laid_out(tensor: Tensor, channels_last: bool) -> Tensor:
    if not channels_last or tensor.dim() not in CHANNELS_LAST:
        return tensor
    laid_out = tensor.detach().contiguous(memory_format=CHANNELS_LAST[tensor.dim()])
    return nn.Parameter(laid_out) if isinstance(tensor, nn.Parameter) else laid_out
