"""Both sides of a claim as functions of tensors by name, and which of their lengths may vary."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd

from convcheck.all_sizes.trace import INPUT, Given
from convcheck.results import Sides
from convcheck.rewriting.transplant import Transplant
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape
from convcheck.tracing.float64_copy import float64_by_default


@dataclass(frozen=True)
class Both:
    """The sides of a claim and the mapping between their weights, to be traced and run at any sizes."""

    sides: Sides[Side]
    mapping: Transplant
    remake: Callable[[tuple[Shape, ...]], Side] | None = None
    """Makes the candidate for inputs of other shapes, where it is made for some."""
    asked: torch.dtype = torch.float64
    """The dtype of the claim; both sides are traced and run in float64."""
    copies: Sides[nn.Module] | None = None
    """Their modules in the dtype of the claim, where they are to be traced in that one."""

    @property
    def modules(self) -> tuple[nn.Module, nn.Module]:
        """The modules whose code runs."""
        return self.sides.reference.module, self.sides.candidate.module

    def as_asked(self) -> Both:
        """Return the same, to be traced in the dtype of the claim."""
        sides = self.sides.reference, self.sides.candidate
        return replace(self, copies=Sides(*(nn.Module.to(copy.deepcopy(_module(s)), self.asked) for s in sides)))

    def remade(self, inputs: tuple[Shape, ...]) -> Both:
        """Return the same with the candidate that is made for inputs of these shapes."""
        assert self.remake is not None
        return replace(self, sides=Sides(self.sides.reference, self.remake(inputs)))

    def reference(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Run the reference on inputs and its own weights."""
        return self._called("reference", self._weights(tensors), self._inputs(tensors))

    def candidate(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Run the candidate on inputs and the mapped weights of the reference."""
        mapped = self.mapping.forward(self._weights(tensors))
        return self._called("candidate", mapped, self._inputs(tensors))

    def _called(self, name: str, weights: Mapping[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
        if self.copies is not None:
            return _called(getattr(self.copies, name), weights, inputs)
        with float64_by_default():
            return _called(_module(getattr(self.sides, name)), weights, inputs)

    def _inputs(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(tensors[f"{INPUT}{number}"] for number in range(len(self.sides.reference.inputs)))

    @staticmethod
    def _weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in tensors.items() if not name.startswith(INPUT)}

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of all tensors at the claim's own sizes, by name."""
        side = self.sides.reference
        inputs = {f"{INPUT}{number}": shape for number, shape in enumerate(side.inputs)}
        statistics = {name: tuple(one.shape) for name, one in dict(side.module.named_buffers()).items()}
        return {**inputs, **side.parameters, **{name: statistics[name] for name in side.statistics}}

    def given(self, channels: bool = True, one: Mapping[str, int] | None = None) -> list[Given]:
        """Return all tensors that go in, with their axes free; those of weights only with free `channels`.

        An axis of an input that is 1 long at the claim's own sizes is as free as others, and is run with 2; `one` has
        the axes, by tensor, that are 1 long and stay so.
        """
        kernels = _kernels(self.sides.reference.module)
        side, tensors = self.sides.reference, []
        for name, shape in self.shapes().items():
            kind = torch.float64
            if name.startswith(INPUT):
                number = int(name.removeprefix(INPUT))
                if number in side.boolean_inputs:
                    kind = torch.bool
                elif number in side.whole_inputs:
                    kind = torch.int64
                fixed = None if one is None else one.get(name)
                varies = tuple(axis != fixed for axis, _ in enumerate(shape))
                shape = tuple(1 if axis == fixed else max(size, 2) for axis, size in enumerate(shape))
            else:
                end = kernels.get(name, len(shape))
                varies = tuple(channels and size > 1 and axis < end for axis, size in enumerate(shape))
            tensors.append(Given(name, shape, kind, varies))
        return tensors

    def at_home(self, channels: bool) -> list[Given]:
        """Return the same, with axes of inputs that are 1 long at the claim's own sizes fixed."""
        given = []
        for tensor, shape in zip(self.given(channels), self.shapes().values(), strict=True):
            if tensor.name.startswith(INPUT):
                varies = tuple(free and size > 1 for free, size in zip(tensor.varies, shape, strict=True))
                sizes = tuple(s if free else size for s, free, size in zip(tensor.shape, varies, shape, strict=True))
                tensor = Given(tensor.name, sizes, tensor.dtype, varies)
            given.append(tensor)
        return given


class KeepsState(Exception):  # noqa: N818  # it is an answer, not a fault
    """A module is another one after a call."""


def _module(side: Side) -> nn.Module:
    """Return what computes a side: of code a copy, whose own tensors are in float64, too."""
    module: nn.Module = getattr(side, "wide", side.module)
    return module


def _called(module: nn.Module, tensors: Mapping[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
    """Call a module, and leave it as it was. Raises KeepsState if it changes an attribute of its own."""
    # Of what it holds, and of the buffers and modules among that.
    held = [one for inner in module.modules() for one in (vars(inner), inner._buffers, inner._modules)]
    before = [dict(one) for one in held]
    changed: set[str] = set()
    try:
        result: Tensor = functional_call(module, dict(tensors), inputs)
    finally:
        for now, values in zip(held, before, strict=True):
            changed |= {name for name in {*now, *values} if now.get(name) is not values.get(name)}
            now.clear()
            now.update(values)
    if changed:
        raise KeepsState(f"a module keeps {min(changed)} from one call to the next")
    return result


def _kernels(module: nn.Module) -> dict[str, int]:
    """Return the axis from which on the lengths of a weight are those of a kernel, for all convolutions."""
    prefixes = {prefix: one for prefix, one in module.named_modules() if isinstance(one, _ConvNd)}
    return {f"{prefix}.weight".removeprefix("."): 2 for prefix in prefixes}
