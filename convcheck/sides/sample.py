"""What both sides are evaluated at, as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """The inputs, and parameters and statistics by torch's names for them."""

    inputs: tuple[Tensor, ...]
    parameters: Mapping[str, Tensor]

    def tensors(self) -> dict[str, Tensor]:
        """Return the inputs as `input`, `input 1` and so on, then the parameters and statistics."""
        inputs = {f"input {number}" if number else "input": tensor for number, tensor in enumerate(self.inputs)}
        return {**inputs, **self.parameters}

    def variables(self) -> dict[str, Tensor]:
        """Return what gradients are taken in."""
        return {name: tensor for name, tensor in self.tensors().items() if tensor.requires_grad}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Sample:
        """Return the sample with every tensor of numbers changed in the same way; masks and choices of rows stay."""

        def changed(tensor: Tensor) -> Tensor:
            return change(tensor) if tensor.is_floating_point() else tensor

        parameters = {name: changed(tensor) for name, tensor in self.parameters.items()}
        return Sample(tuple(map(changed, self.inputs)), parameters)

    def to(self, device: torch.device, dtype: torch.dtype) -> Sample:
        """Return the sample on a device, its numbers in a dtype."""
        moved = Sample(
            tuple(tensor.to(device) for tensor in self.inputs),
            {name: tensor.to(device) for name, tensor in self.parameters.items()},
        )
        return moved.mapped(lambda tensor: tensor.to(dtype))
