"""How weights move from a reference to a candidate, and back.

A parameter goes through a few steps, each of which knows its way back: most are one einops pattern. Going back checks
what was added on the way, such as copies that must agree and zeros that must still be zero.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convcheck.patterns import Pattern, Shape

if TYPE_CHECKING:
    from torch import Tensor

Parameters = Mapping[str, "Tensor"]


class NoWayBackError(ValueError):
    """A candidate's parameter holds what no reference's parameter would have become."""


class Step(ABC):
    """One reversible step. `str` tells it to a reader."""

    @abstractmethod
    def shape(self, shape: Shape) -> Shape:
        """Return the shape after the step, for a tensor of `shape`."""

    @abstractmethod
    def forward(self, tensor: Tensor) -> Tensor:
        """Take the step. Differentiable."""

    @abstractmethod
    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Return the tensor of `shape` that the step came from, without looking at what was added."""

    def backward(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Return what the step came from, a tensor of `shape`.

        Raises:
            NoWayBackError: copies do not agree, or zeros are not zero; names the first entry.
        """
        import torch

        found = self.extract(tensor, shape)
        again = self.forward(found)
        if not torch.equal(again, tensor):
            at = tuple((again != tensor).nonzero()[0].tolist())
            raise NoWayBackError(f"{list(at)} is {tensor[at].item()!r}; by {self} it is {again[at].item()!r}")
        return found


@dataclass(frozen=True)
class Rearrange(Step):
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
        kept = len(shape) - len(self.pads)
        grown = (length + sum(pads) for length, pads in zip(shape[kept:], self.pads, strict=True))
        return (*shape[:kept], *grown)

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
        kept = len(shape) - len(self.factors)
        spread = ((length - 1) * factor + 1 for length, factor in zip(shape[kept:], self.factors, strict=True))
        return (*shape[:kept], *spread)

    def forward(self, tensor: Tensor) -> Tensor:
        spread = tensor.new_zeros(self.shape(tuple(tensor.shape)))
        spread[_last([slice(None, None, factor) for factor in self.factors])] = tensor
        return spread

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        return tensor[_last([slice(None, None, factor) for factor in self.factors])]


@dataclass(frozen=True)
class Flip(Step):
    """The last `axes` axes read from the end."""

    axes: int

    def __str__(self) -> str:
        return "kernel flipped"

    def shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor.flip(tuple(range(-self.axes, 0)))

    def extract(self, tensor: Tensor, shape: Shape) -> Tensor:
        return self.forward(tensor)


@dataclass(frozen=True)
class BlockDiagonal(Step):
    """`[(g o), i, ...] -> [(g o), (g i), ...]`: each group keeps its own block, zeros stand everywhere else."""

    groups: int

    def __str__(self) -> str:
        return f"{self.groups} blocks on a diagonal, zeros elsewhere"

    def shape(self, shape: Shape) -> Shape:
        return (shape[0], shape[1] * self.groups, *shape[2:])

    def forward(self, tensor: Tensor) -> Tensor:
        wide = tensor.new_zeros(self.shape(tuple(tensor.shape)))
        rows, columns = tensor.shape[0] // self.groups, tensor.shape[1]
        for group in range(self.groups):
            own = slice(group * rows, (group + 1) * rows)
            wide[own, group * columns : (group + 1) * columns] = tensor[own]
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
        # Zeros where the other parts belong: the parts are put together by adding them up.
        whole = tensor.new_zeros(shape)
        whole[self.index * len(tensor) : (self.index + 1) * len(tensor)] = tensor
        return whole


@dataclass(frozen=True)
class Move:
    """The steps by which a parameter of the reference, of a given shape, or a part of it, becomes the candidate's."""

    source: str
    target: str
    shape: Shape
    steps: tuple[Step, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The parameters of the reference that it needs."""
        return (self.source,)

    def shapes(self) -> list[Shape]:
        """Return the shape before the first step and after each. Raises PatternError if a pattern does not fit."""
        shapes = [self.shape]
        for step in self.steps:
            shapes.append(step.shape(shapes[-1]))
        return shapes

    def result(self) -> Shape:
        """Return the shape of the candidate's parameter. Raises PatternError if a pattern does not fit."""
        return self.shapes()[-1]

    def forward(self, parameters: Parameters) -> Tensor:
        """Return the candidate's parameter from the reference's. Differentiable."""
        tensor = parameters[self.source]
        for step in self.steps:
            tensor = step.forward(tensor)
        return tensor

    def backward(self, tensor: Tensor) -> Tensor:
        """Return the reference's parameter; raises NoWayBackError as its steps do."""
        for step, shape in reversed(list(zip(self.steps, self.shapes(), strict=False))):
            try:
                tensor = step.backward(tensor, shape)
            except NoWayBackError as error:
                raise NoWayBackError(f"{self.target}{error}") from None
        return tensor

    def __str__(self) -> str:
        return ", then ".join(str(step) for step in self.steps) or "as it is"


@dataclass(frozen=True)
class Merge:
    """Several tensors of the reference that become one parameter of the candidate. `compute` is differentiable."""

    sources: tuple[str, ...]
    shape: Shape
    """That of the candidate's parameter."""
    compute: Callable[..., Tensor]
    """Takes the tensors in the order of `sources`."""
    told: str
    """The formula, for a reader."""
    target: str = ""
    """The candidate's parameter; a recipe leaves it to the name that it stands under."""

    def result(self) -> Shape:
        return self.shape

    def forward(self, parameters: Parameters) -> Tensor:
        return self.compute(*(parameters[source] for source in self.sources))

    def backward(self, tensor: Tensor) -> Tensor:
        raise NoWayBackError(
            f"{self.target} is {self.told}: {' and '.join(self.sources)} are merged, and cannot be told apart again"
        )

    def __str__(self) -> str:
        return self.told


@dataclass(frozen=True)
class Transplant:
    """How all parameters move."""

    moves: tuple[Move | Merge, ...]

    def forward(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the candidate's parameters from the reference's, and its statistics. Differentiable."""
        return {move.target: move.forward(parameters) for move in self.moves}

    def backward(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the reference's parameters from the candidate's. Raises NoWayBackError as the moves do."""
        found: dict[str, Tensor] = {}
        for move in self.moves:
            tensor = move.backward(parameters[move.target])
            source = move.sources[0]
            found[source] = found[source] + tensor if source in found else tensor
        return found

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the candidate's parameters."""
        return {move.target: move.result() for move in self.moves}

    def merges(self) -> bool:
        """Tell whether some of the reference's parameters cannot be told apart in the candidate."""
        return any(isinstance(move, Merge) for move in self.moves)

    def one_to_one(self) -> bool:
        """Tell whether this is a bijection of parameters, so that training both sides stays equal, too.

        It is, where every value moves to just one place, and nothing is added or merged.
        """
        moved: Counter[str] = Counter()
        for move in self.moves:
            moved[move.sources[0]] += math.prod(move.result())
        return not self.merges() and all(
            moved[move.source] == math.prod(move.shape) for move in self.moves if isinstance(move, Move)
        )

    def describe(self) -> dict[str, str]:
        """Return the steps for each of the candidate's parameters, in words and patterns."""
        return {move.target: str(move) for move in self.moves}

    def replaced(self, patterns: Mapping[str, Pattern], known: Mapping[str, int]) -> Transplant:
        """Return this transplant with the given patterns, by reference parameter, in place of its own steps."""
        return Transplant(
            tuple(
                replace(move, steps=(Rearrange(patterns[move.source], known),))
                if isinstance(move, Move) and move.source in patterns
                else move
                for move in self.moves
            )
        )
