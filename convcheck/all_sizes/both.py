"""Both sides of a claim as functions of tensors by name, and which of their lengths may vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd

from convcheck.all_sizes.sources import INPUT
from convcheck.all_sizes.trace import Given
from convcheck.proof.pair import Pair
from convcheck.sizes.patterns import Shape



@dataclass(frozen=True)
class Both:
    """The sides of a pair, to be traced and run at any sizes."""

    pair: Pair

    def reference(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Run the reference on inputs and its own weights."""
        return _called(self.pair.reference.module, self._weights(tensors), self._inputs(tensors))

    def candidate(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Run the candidate on inputs and the mapped weights of the reference."""
        mapped = self.pair.mapping.forward(self._weights(tensors))
        return _called(self.pair.candidate.module, mapped, self._inputs(tensors))

    def _inputs(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(tensors[f"{INPUT}{number}"] for number in range(len(self.pair.reference.inputs)))

    @staticmethod
    def _weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in tensors.items() if not name.startswith(INPUT)}

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of all tensors at the claim's own sizes, by name."""
        side = self.pair.reference
        inputs = {f"{INPUT}{number}": shape for number, shape in enumerate(side.inputs)}
        statistics = {name: tuple(one.shape) for name, one in dict(side.module.named_buffers()).items()}
        return {**inputs, **side.parameters, **{name: statistics[name] for name in side.statistics}}

    def given(self, channels: bool = True) -> list[Given]:
        """Return all tensors that go in, with their axes free; those of weights only with free `channels`."""
        kernels = _kernels(self.pair.reference.module)
        side, tensors = self.pair.reference, []
        for name, shape in self.shapes().items():
            if name.startswith(INPUT):
                number = int(name.removeprefix(INPUT))
                varies = tuple(size > 1 for size in shape)
                kind = torch.bool if number in side.boolean_inputs else torch.float64
                if number in side.whole_inputs:
                    kind = torch.int64
            else:
                kind, fixed = torch.float64, kernels.get(name, len(shape))
                varies = tuple(channels and size > 1 and axis < fixed for axis, size in enumerate(shape))
            tensors.append(Given(name, shape, kind, varies))
        return tensors


def _called(module: nn.Module, tensors: Mapping[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
    result: Tensor = functional_call(module, dict(tensors), inputs)
    return result


def _kernels(module: nn.Module) -> dict[str, int]:
    """Return the axis from which on the lengths of a weight are those of a kernel, for all convolutions."""
    prefixes = {prefix: one for prefix, one in module.named_modules() if isinstance(one, _ConvNd)}
    return {f"{prefix}.weight".removeprefix("."): 2 for prefix in prefixes}
