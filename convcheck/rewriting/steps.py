"""Reversible steps by which a weight moves: most are one einops pattern; added zeros are checked on the way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convcheck.sizes.patterns import Pattern, Shape

if TYPE_CHECKING:
    from torch import Tensor


class NoWayBackError(ValueError):
    """A candidate's parameter has values that come from no parameter of the reference."""


class Step(ABC):
    """One reversible step. `str` describes it to a reader."""

    @abstractmethod
    def shape(self, shape: Shape) -> Shape:
        """Return the shape after the step, for a tensor of `shape`."""

    @abstractmethod
    def forward(self, tensor: Tensor) -> Tensor:
        """Take the step. Differentiable."""

    @abstractmethod
    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Return the tensor of `shape` before the step, without checking what the step added."""

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
            raise NoWayBackError(f"{list(index)} is {tensor[index].item()!r}; by {self} it is {again[index].item()!r}")
        return source


@dataclass(frozen=True)
class EinopsStep(Step):
    """An einops pattern; axes that only its right side has are repeated. `known` gives lengths of axes."""

    pattern: Pattern
    known: Mapping[str, int]

    def __str__(self) -> str:
        return str(self.pattern)

    def shape(self, shape: Shape) -> Shape:
        return self.pattern.shape(shape, self.known)

    def forward(self, tensor: Tensor) -> Tensor:
        import einops

        return einops.repeat(tensor, str(self.pattern), **self.pattern.sizes(tuple(tensor.shape), self.known))

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        import einops

        apart = Pattern(self.pattern.target, (self.pattern.repeated, *self.pattern.source))
        return einops.rearrange(tensor, str(apart), **self.pattern.sizes(shape, self.known))[0]


def _last(slices: list[slice]) -> Any:
    """Return the index that cuts the last axes."""
    return (..., *slices)


@dataclass(frozen=True)
class ZeroPad(Step):
    """Zeros before and after the last axes, one (before, after) for each of them."""

    pads: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return "zeros around the kernel: " + ", ".join(f"{before} before, {after} after" for before, after in self.pads)

    def shape(self, shape: Shape) -> Shape:
        first = len(shape) - len(self.pads)
        grown = (length + sum(pads) for length, pads in zip(shape[first:], self.pads, strict=True))
        return (*shape[:first], *grown)

    def forward(self, tensor: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.pad(tensor, [pad for pads in reversed(self.pads) for pad in pads])

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        inner = zip(self.pads, shape[-len(self.pads) :], strict=True)
        return tensor[_last([slice(before, before + length) for (before, _), length in inner])]


@dataclass(frozen=True)
class Dilate(Step):
    """Zeros between the entries along the last axes: `factor - 1` of them, one factor an axis."""

    factors: Shape

    def __str__(self) -> str:
        return f"zeros between the taps, {tuple(factor - 1 for factor in self.factors)} of them"

    def shape(self, shape: Shape) -> Shape:
        first = len(shape) - len(self.factors)
        spread = ((length - 1) * factor + 1 for length, factor in zip(shape[first:], self.factors, strict=True))
        return (*shape[:first], *spread)

    def forward(self, tensor: Tensor) -> Tensor:
        spread = tensor.new_zeros(self.shape(tuple(tensor.shape)))
        spread[_last([slice(None, None, factor) for factor in self.factors])] = tensor
        return spread

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        return tensor[_last([slice(None, None, factor) for factor in self.factors])]


@dataclass(frozen=True)
class Flip(Step):
    """Some axes read from the end."""

    axes: Shape
    text: str

    @classmethod
    def kernel(cls, dims: int) -> Flip:
        """Flip the last `dims` axes, which are the kernel's."""
        return cls(tuple(range(-dims, 0)), "kernel flipped")

    def __str__(self) -> str:
        return self.text

    def shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor.flip(self.axes)

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        return self.forward(tensor)


@dataclass(frozen=True)
class BlockDiagonal(Step):
    """`[(g o), i, ...] -> [(g o), (g i), ...]`: every group is a block, with zeros everywhere else."""

    groups: int

    def __str__(self) -> str:
        return f"{self.groups} blocks on a diagonal, zeros elsewhere"

    def shape(self, shape: Shape) -> Shape:
        return (shape[0], shape[1] * self.groups, *shape[2:])

    def forward(self, tensor: Tensor) -> Tensor:
        wide = tensor.new_zeros(self.shape(tuple(tensor.shape)))
        rows, columns = tensor.shape[0] // self.groups, tensor.shape[1]
        for group in range(self.groups):
            block = slice(group * rows, (group + 1) * rows)
            wide[block, group * columns : (group + 1) * columns] = tensor[block]
        return wide

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        import torch

        rows, columns = shape[0] // self.groups, shape[1]
        blocks = [
            tensor[group * rows : (group + 1) * rows, group * columns : (group + 1) * columns]
            for group in range(self.groups)
        ]
        return torch.cat(blocks)


@dataclass(frozen=True)
class Part(Step):
    """One of several equal parts along the first axis, counted from 0. All parts together are the way back."""

    index: int
    parts: int

    def __str__(self) -> str:
        return f"part {self.index + 1} of {self.parts} along the first axis"

    def shape(self, shape: Shape) -> Shape:
        return (shape[0] // self.parts, *shape[1:])

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor.chunk(self.parts)[self.index]

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        # Zeros in place of the other parts: the way back adds all parts up.
        whole = tensor.new_zeros(shape)
        whole[self.index * len(tensor) : (self.index + 1) * len(tensor)] = tensor
        return whole
