"""Both sides without a mapping between them: functions of the same inputs, each of its own entries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from convcheck.sides.samples import Sample
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

    def starts(self) -> dict[str, int]:
        """Return the number of the first entry of every tensor."""
        starts, start = {}, 0
        for name, shape in self.shapes.items():
            starts[name] = start
            start += math.prod(shape)
        return starts

    def tensors(self, flat: Tensor) -> dict[str, Tensor]:
        """Return the tensors that hold these entries, `[entries]`."""
        parts = torch.split(flat, [math.prod(shape) for shape in self.shapes.values()])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def run(self, inputs: tuple[Tensor, ...], flat: Tensor) -> Tensor:
        """Return the output on these entries, differentiable in all of them.

        Raises:
            CannotRunError: the side's code raises.
        """
        with _StatisticsCount():
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


class _StatisticsCount(TorchFunctionMode):
    """Normalises by running statistics such that a gradient reaches them; torch's own operator gives them none."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if func is torch.batch_norm and not kwargs and not args[5] and args[3] is not None:
            x, weight, bias, mean, variance, _, _, eps, _ = args
            across = [1, -1, *[1] * (x.dim() - 2)]
            output = (x - mean.reshape(across)) * (variance + eps).rsqrt().reshape(across)
            if weight is not None:
                output = output * weight.reshape(across)
            return output if bias is None else output + bias.reshape(across)
        return func(*args, **(kwargs or {}))
