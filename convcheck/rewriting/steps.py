"""Reversible steps by which a weight moves: most are one einops pattern; added zeros are checked on the way back.

Every step is written as users write it, in the notation of `convcheck.sizes.relayouts`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.rewriting.zeros import among_zeros, block_diagonal, zeros_between
from convcheck.sizes.patterns import Pattern, Shape
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

        return einops.repeat(tensor, str(self.pattern), **self.pattern.sizes(tuple(tensor.shape), self.known))

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
        moved = self._there(_axis_first(tensor, self.before, self.operation.axis))
        return _axis_back(moved, self.after, self.operation.axis)

    def extract(self, tensor: Tensor, _shape: Shape) -> Tensor:
        moved = self._back(_axis_first(tensor, self.after, self.operation.axis))
        return _axis_back(moved, self.before, self.operation.axis)

    @abstractmethod
    def _there(self, tensor: Tensor) -> Tensor:
        """Take the step along the first axis."""

    @abstractmethod
    def _back(self, tensor: Tensor) -> Tensor:
        """Undo the step along the first axis."""


def _axis_first(tensor: Tensor, layout: Layout, axis: str) -> Tensor:
    names = layout.names
    return tensor.reshape([layout.sizes[name] for name in names]).movedim(names.index(axis), 0)


def _axis_back(tensor: Tensor, layout: Layout, axis: str) -> Tensor:
    return tensor.movedim(0, layout.names.index(axis)).reshape(layout.shape)


class Flip(AxisStep):
    """An axis read from its end."""

    def _there(self, tensor: Tensor) -> Tensor:
        return tensor.flip(0)

    def _back(self, tensor: Tensor) -> Tensor:
        return tensor.flip(0)


class Zeros(AxisStep):
    """Zeros before and after the entries along an axis."""

    @property
    def _places(self) -> slice:
        """The places of the entries."""
        before, _ = self.operation.numbers
        return slice(before, before + self.before.sizes[self.operation.axis])

    def _there(self, tensor: Tensor) -> Tensor:
        return among_zeros(tensor, self._places, self.after.sizes[self.operation.axis])

    def _back(self, tensor: Tensor) -> Tensor:
        return tensor[self._places]


class Dilate(AxisStep):
    """Zeros between the entries along an axis."""

    def _there(self, tensor: Tensor) -> Tensor:
        return zeros_between(tensor, (self.operation.numbers[0], *[1] * (tensor.dim() - 1)))

    def _back(self, tensor: Tensor) -> Tensor:
        return tensor[:: self.operation.numbers[0]]


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

    def _there(self, tensor: Tensor) -> Tensor:
        return tensor[self.places]

    def _back(self, tensor: Tensor) -> Tensor:
        # The way back adds all parts up.
        return among_zeros(tensor, self.places, self.length)


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
