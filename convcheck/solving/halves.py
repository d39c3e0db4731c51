"""Both sides without a mapping between them: functions of the same inputs, each of its own entries."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from convcheck.sides.sample import Sample
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape


@dataclass(frozen=True)
class Half:
    """One side; its entries are those of all its parameters and statistics, one tensor after the other."""

    side: Side

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of all tensors, by name."""
        return {**self.side.parameters, **{name: one.shape for name, one in self.side.statistics.items()}}

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return sum(map(math.prod, self.shapes.values()))

    @cached_property
    def owners(self) -> Tensor:
        """The number of the tensor that every entry belongs to, `[entries]`."""
        lengths = torch.tensor([math.prod(shape) for shape in self.shapes.values()], dtype=torch.int64)
        return torch.repeat_interleave(torch.arange(len(lengths)), lengths)

    def tensors(self, flat: Tensor) -> dict[str, Tensor]:
        """Return the tensors that hold these entries, `[entries]`."""
        parts = torch.split(flat, [math.prod(shape) for shape in self.shapes.values()])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def run(self, inputs: tuple[Tensor, ...], flat: Tensor) -> Tensor:
        """Return the output on these entries, differentiable in all of them.

        Raises:
            CannotRunError: the side's code raises.
        """
        with Apart():
            return self.side.run(Sample(inputs, self.tensors(flat)))

    def draw(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw inputs in float64: normal numbers, masks, and whole numbers below what the sides take."""

        def one(number: int, shape: Shape) -> Tensor:
            if number in self.side.boolean_inputs:
                return torch.rand(shape, generator=generator) < 0.7
            if number in self.side.whole_inputs:
                return torch.randint(self.side.whole_inputs[number], shape, generator=generator)
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return tuple(one(number, shape) for number, shape in enumerate(self.side.inputs))


class Apart(TorchFunctionMode):
    """Computes what operators do with weights and statistics apart from the rest, so that all of them have gradients.

    torch's batch norm gives running statistics none; a normalisation's weight, and a shuffle, are then as readable as
    those that are written by hand.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if func in _APART:
            signature, apart = _APART[func]
            given = signature.bind(*args, **(kwargs or {}))
            given.apply_defaults()
            with self:
                made = apart(**given.arguments)
            if made is not None:
                return made
        return func(*args, **(kwargs or {}))


def _batch_norm(input: Tensor, running_mean: Tensor, running_var: Tensor, training: bool, **rest: Any) -> Tensor | None:
    if training:
        return None
    across = [1, -1, *[1] * (input.dim() - 2)]
    output = (input - running_mean.reshape(across)) * (running_var + rest["eps"]).rsqrt().reshape(across)
    return _scaled(output, rest["weight"], rest["bias"], across)


def _layer_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, **rest: Any) -> Any:
    if weight is None and bias is None:
        return None
    return _scaled(functional.layer_norm(input, normalized_shape, **rest), weight, bias, list(normalized_shape))


def _rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None, **rest: Any) -> Any:
    if weight is None:
        return None
    return _scaled(functional.rms_norm(input, normalized_shape, **rest), weight, None, list(normalized_shape))


def _group_norm(input: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, **rest: Any) -> Any:
    if weight is None and bias is None:
        return None
    across = [1, -1, *[1] * (input.dim() - 2)]
    return _scaled(functional.group_norm(input, num_groups, **rest), weight, bias, across)


def _scaled(output: Tensor, weight: Tensor | None, bias: Tensor | None, across: list[int]) -> Tensor:
    if weight is not None:
        output = output * weight.reshape(across)
    return output if bias is None else output + bias.reshape(across)


def _pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    *batch, channels, height, width = input.shape
    factor = upscale_factor
    parts = input.reshape(*batch, channels // factor**2, factor, factor, height, width)
    count = len(batch)
    parts = parts.permute(*range(count + 1), count + 3, count + 1, count + 4, count + 2)
    return parts.reshape(*batch, channels // factor**2, height * factor, width * factor)


def _pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    *batch, channels, height, width = input.shape
    factor = downscale_factor
    parts = input.reshape(*batch, channels, height // factor, factor, width // factor, factor)
    count = len(batch)
    parts = parts.permute(*range(count + 1), count + 2, count + 4, count + 1, count + 3)
    return parts.reshape(*batch, channels * factor**2, height // factor, width // factor)


_APART: Mapping[Any, tuple[inspect.Signature, Any]] = {
    functional.batch_norm: (inspect.signature(functional.batch_norm), _batch_norm),
    functional.layer_norm: (inspect.signature(functional.layer_norm), _layer_norm),
    functional.rms_norm: (inspect.signature(functional.rms_norm), _rms_norm),
    functional.group_norm: (inspect.signature(functional.group_norm), _group_norm),
    functional.pixel_shuffle: (inspect.signature(_pixel_shuffle), _pixel_shuffle),
    functional.pixel_unshuffle: (inspect.signature(_pixel_unshuffle), _pixel_unshuffle),
}
