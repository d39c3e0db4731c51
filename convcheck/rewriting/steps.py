"""Reversible steps by which a weight moves: most are one einops pattern; added zeros are checked on the way back.

Every step is written as users write it, in the notation of `convcheck.sizes.relayouts`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from convcheck.rewriting.zeros import among_zeros, block_diagonal
from convcheck.sizes.patterns import Pattern, Shape, infer
from convcheck.sizes.relayouts import Layout, Lengths, Operation, Rearrangement, Relayout

if TYPE_CHECKING:
    from torch import Tensor


class NoWayBackError(ValueError):
    """A candidate's parameter has values that come from no parameter of the reference."""


class Step(ABC):
    """One reversible step. `str` writes it as a user does."""

    @abstractmethod
    def shape(self, shape: Shape) -> Shape:
        """Return the shape after the step, for a tensor of `shape`."""

    @abstractmethod
    def forward(self, tensor: Tensor) -> Tensor:
        """Take the step. Differentiable."""

    @abstractmethod
    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Return the tensor of `shape` before the step, without checking what the step added."""

    @property
    def bits(self) -> int:
        """How many bits it puts behind the point of whole numbers."""
        return 0

    def positive(self) -> Step:
        """Return the step with the absolute value of its constant."""
        return self

    def backward(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Return the tensor of `shape` before the step.

        Raises:
            NoWayBackError: copies do not agree, or zeros are not zero; names the first entry.
        """
        import torch

        source = self.extract(tensor, shape)
        again = self.forward(source)
        if not torch.equal(again, tensor):
            index = tuple((again != tensor).nonzero()[0].tolist())
            raise NoWayBackError(
                f"{list(index)} is {tensor[index].item()!r}; by '{self}' it is {again[index].item()!r}"
            )
        return source


@dataclass(frozen=True)
class EinopsStep(Step):
    """An einops pattern; axes that only its right side has are repeated.

    `known` gives lengths of axes, of which those of `written` stand behind the pattern.
    """

    pattern: Pattern
    known: Mapping[str, int]
    written: Lengths = ()

    def __str__(self) -> str:
        return str(Rearrangement(self.pattern, self.written))

    def shape(self, shape: Shape) -> Shape:
        return self.pattern.shape(shape, self.known)

    def forward(self, tensor: Tensor) -> Tensor:
        import einops

        text, lengths = self._written
        return einops.repeat(tensor, text, **lengths)

    @cached_property
    def _written(self) -> tuple[str, Mapping[str, int]]:
        """The pattern as a text, and the lengths that einops needs."""
        return str(self.pattern), self.pattern.needed(self.known)

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        import einops

        apart = Pattern(self.pattern.target, (self.pattern.repeated, *self.pattern.source))
        return einops.rearrange(tensor, str(apart), **self.pattern.sizes(shape, self.known))[0]


@dataclass(frozen=True)
class OperationStep(Step):
    """An operation between two layouts; one that changes no entry, unless a subclass does."""

    operation: Operation
    before: Layout
    after: Layout

    def __str__(self) -> str:
        return str(self.operation)

    def shape(self, shape: Shape) -> Shape:
        assert shape == self.before.shape
        return self.after.shape

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor

    def extract(self, tensor: Tensor, _shape: Shape) -> Tensor:
        return tensor


class Negate(OperationStep):
    """The same numbers with the other sign."""

    def forward(self, tensor: Tensor) -> Tensor:
        return -tensor

    def extract(self, tensor: Tensor, _shape: Shape) -> Tensor:
        return -tensor

    def positive(self) -> Step:
        return OperationStep(self.operation, self.before, self.after)


@dataclass(frozen=True)
class Scale(Step):
    """All numbers times a power of two, which has a way back."""

    factor: float

    def __str__(self) -> str:
        return f"* {self.factor:g}"

    @property
    def bits(self) -> int:
        return max(0, 1 - math.frexp(self.factor)[1])

    def positive(self) -> Step:
        return Scale(abs(self.factor))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor * self.factor

    def extract(self, tensor: Tensor, _shape: Shape) -> Tensor:
        return tensor / self.factor


class AxisStep(OperationStep):
    """An operation along one axis, which may be one of several in a group."""

    def forward(self, tensor: Tensor) -> Tensor:
        return self._along(self._there, tensor, self.before)

    def extract(self, tensor: Tensor, _shape: Shape) -> Tensor:
        return self._along(self._back, tensor, self.after)

    def _along(self, move: Callable[[Tensor, int], Tensor], tensor: Tensor, layout: Layout) -> Tensor:
        """Move entries along the axis, which is taken out of its group and back into it."""
        import torch

        name = self.operation.axis
        axis = next(number for number, group in enumerate(layout.groups) if name in group)
        group = layout.groups[axis]
        if len(group) == 1:
            return move(tensor, axis)
        lengths = [-1 if other == infer(group) else layout.sizes[other] for other in group]
        moved = move(torch.unflatten(tensor, axis, lengths), axis + group.index(name))
        return moved.flatten(axis, axis + len(group) - 1)

    @abstractmethod
    def _there(self, tensor: Tensor, axis: int) -> Tensor:
        """Take the step along an axis of the tensor."""

    @abstractmethod
    def _back(self, tensor: Tensor, axis: int) -> Tensor:
        """Undo the step along an axis of the tensor."""


class Flip(AxisStep):
    """An axis read from its end."""

    def _there(self, tensor: Tensor, axis: int) -> Tensor:
        return tensor.flip(axis)

    def _back(self, tensor: Tensor, axis: int) -> Tensor:
        return tensor.flip(axis)


class Zeros(AxisStep):
    """Zeros before and after the entries along an axis."""

    def _there(self, tensor: Tensor, axis: int) -> Tensor:
        before, after = self.operation.numbers
        return among_zeros(tensor, axis, before, after)

    def _back(self, tensor: Tensor, axis: int) -> Tensor:
        before, after = self.operation.numbers
        return tensor.narrow(axis, before, tensor.shape[axis] - before - after)


class Dilate(AxisStep):
    """Zeros between the entries along an axis."""

    def _there(self, tensor: Tensor, axis: int) -> Tensor:
        from convcheck.modules.parts import zeros_between

        return zeros_between(tensor, (self.operation.numbers[0], *[1] * (tensor.dim() - 1 - axis)))

    def _back(self, tensor: Tensor, axis: int) -> Tensor:
        return tensor.movedim(axis, 0)[:: self.operation.numbers[0]].movedim(0, axis)


class Part(AxisStep):
    """One of several equal parts along an axis, counted from 1, or a slice. All together are the way back."""

    @property
    def places(self) -> slice:
        """The places that are taken."""
        if self.operation.name == "slice":
            return slice(*self.operation.numbers)
        length, (number, _) = self.after.sizes[self.operation.axis], self.operation.numbers
        return slice((number - 1) * length, number * length)

    @property
    def length(self) -> int:
        """How many places there are."""
        return self.before.sizes[self.operation.axis]

    def _there(self, tensor: Tensor, axis: int) -> Tensor:
        import torch

        if self.operation.name == "slice":
            start, stop = self.operation.numbers
            return tensor.narrow(axis, start, stop - start)
        number, count = self.operation.numbers
        return torch.unflatten(tensor, axis, (count, -1)).select(axis, number - 1)

    def _back(self, tensor: Tensor, axis: int) -> Tensor:
        # The way back adds all parts up.
        return among_zeros(tensor, axis, self.places.start, self.length - self.places.stop)


class Blocks(OperationStep):
    """`[(g o), i, ...] -> [(g o), (g i), ...]`: every group is a block, with zeros everywhere else."""

    def forward(self, tensor: Tensor) -> Tensor:
        return block_diagonal(tensor, *self.operation.numbers)

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        (groups,) = self.operation.numbers
        blocks = tensor.reshape(groups, shape[0] // groups, groups, *shape[1:])
        return blocks.diagonal(dim1=0, dim2=2).movedim(-1, 0).reshape(shape)


_OPERATIONS: Mapping[str, type[OperationStep]] = {
    "flip": Flip,
    "pad": Zeros,
    "dilate": Dilate,
    "repeat": OperationStep,
    "negate": Negate,
    "blocks": Blocks,
    "part": Part,
    "slice": Part,
}


def steps_of(relayout: Relayout, shape: Shape, axis_sizes: Mapping[str, int]) -> tuple[Step, ...]:
    """Return the steps of a relayout for a tensor of `shape`. Raises PatternError where it does not fit."""
    steps: list[Step] = []
    for part, (before, after) in zip(relayout.parts, relayout.layouts(shape, axis_sizes), strict=True):
        if isinstance(part, Rearrangement):
            steps.append(EinopsStep(part.pattern, {**axis_sizes, **before.sizes}, part.lengths))
        else:
            steps.append(_OPERATIONS[part.name](part, before, after))
    return tuple(steps)
