"""Axes merged and split, as numbers: torch.nn.Flatten, Unflatten. No entry moves in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import ShapeError, multiples
from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import label
from convcheck.layers.weightless import Weightless
from convcheck.sizes.patterns import Shape, Shapes
from convcheck.sizes.terms import parenthesize, times

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins

_USUAL_RANK = 4


@dataclass(frozen=True)
class Flatten(Weightless):
    """`b i h w -> b (i h w)`: the axes from `start_dim` to `end_dim`, both included, become one."""

    start_dim: int
    end_dim: int

    SIGNATURE = (Argument("start_dim", read.axis, 1), Argument("end_dim", read.axis, -1))

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        # Of 1 and -1, say, which comes first depends on the input.
        if (self.start_dim < 0) == (self.end_dim < 0) and self.start_dim > self.end_dim:
            yield (
                "end_dim",
                f"end_dim is {self.end_dim}, and start_dim, {self.start_dim}, comes after it; "
                f"end_dim must be at least {self.start_dim}",
            )

    def output_shape(self, shape: Shape) -> Shape:
        start = _axis("start_dim", self.start_dim, shape, self.kind)
        end = _axis("end_dim", self.end_dim, shape, self.kind)
        if start > end:
            raise ShapeError(
                f"{self.kind} merges the axes from start_dim={self.start_dim} to end_dim={self.end_dim}; in "
                f"{list(shape)} these are {start} and {end}, and the first must not come after the last; "
                f"{self._ranks()}"
            )
        return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])

    def axis_map(self, rank: int) -> AxisMap | None:
        if not all(-rank <= dim < rank for dim in (self.start_dim, self.end_dim)):
            return None
        axes, start, end = numbered(rank), self.start_dim % rank, self.end_dim % rank + 1
        merged = tuple(axis for group in axes[start:end] for axis in group)
        return AxisMap(axes, (*axes[:start], merged, *axes[end:])) if merged else None

    def explain(self, shape: Shape) -> Iterator[str]:
        output, merged = self.output_shape(shape), self._merged(shape)
        yield f"axis {merged.start}: {times(shape[merged])} = {output[merged.start]}"

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        merged = self._merged(shape)
        origins.axes[merged] = [origins.joined(origins.axes[merged])]

    def _merged(self, shape: Shape) -> slice:
        return slice(self.start_dim % len(shape), self.end_dim % len(shape) + 1)

    def _ranks(self) -> str:
        """Say how many axes an input may have where one of the two is counted from the front and one from the back."""
        if self.start_dim < 0:
            return f"it takes {self.end_dim - self.start_dim} axes at most"
        return f"it takes {self.start_dim - self.end_dim} axes or more"

    def example_inputs(self) -> Shapes:
        if self.start_dim < 0 <= self.end_dim:
            # With more axes than this, the first would come after the last.
            return (_lengths(min(_USUAL_RANK, self.end_dim - self.start_dim), self.start_dim, self.end_dim),)
        between = self.start_dim - self.end_dim if self.end_dim < 0 <= self.start_dim else 0
        return (_lengths(max(_USUAL_RANK, between), self.start_dim, self.end_dim),)

    def __str__(self) -> str:
        return f"Flatten(start_dim={self.start_dim}, end_dim={self.end_dim})"

    def label(self) -> str:
        return label([self.kind, ("from", self.start_dim, 1), ("to", self.end_dim, -1)])


@dataclass(frozen=True)
class Unflatten(Weightless):
    """`b (i h w) -> b i h w`: the axis `dim` becomes several; the length of one of them, if -1, is what is left."""

    dim: int
    unflattened_size: Shape

    SIGNATURE = (Argument("dim", read.axis), Argument("unflattened_size", read.sizes))

    @property
    def known_length(self) -> int:
        """The product of all lengths but the one that is -1."""
        return math.prod(length for length in self.unflattened_size if length != -1)

    def output_shape(self, shape: Shape) -> Shape:
        dim = _axis("dim", self.dim, shape, self.kind)
        open_axis = -1 in self.unflattened_size
        if shape[dim] % self.known_length if open_axis else shape[dim] != self.known_length:
            near = f"; {multiples(shape[dim], self.known_length)}" if open_axis else ""
            raise ShapeError(
                f"{self.kind} splits an axis of length {'a multiple of ' * open_axis}{self.known_length} into "
                f"{list(self.unflattened_size)}; axis {dim} of {list(shape)} has length {shape[dim]}{near}"
            )
        sizes = (shape[dim] // self.known_length if length == -1 else length for length in self.unflattened_size)
        return (*shape[:dim], *sizes, *shape[dim + 1 :])

    def axis_map(self, rank: int) -> AxisMap | None:
        if not -rank <= self.dim < rank:
            return None
        axes, dim = numbered(rank), self.dim % rank
        parts = tuple(f"part {number}" for number in range(len(self.unflattened_size)))
        known = {part: size for part, size in zip(parts, self.unflattened_size, strict=True) if size != -1}
        split = tuple((part,) for part in parts)
        return AxisMap((*axes[:dim], parts, *axes[dim + 1 :]), (*axes[:dim], *split, *axes[dim + 1 :]), known)

    def explain(self, shape: Shape) -> Iterator[str]:
        output, dim = self.output_shape(shape), self.dim % len(shape)
        for axis, length in enumerate(self.unflattened_size, start=dim):
            rest = [size for size in self.unflattened_size if size != -1] or [1]
            split = f"{parenthesize(shape[dim])} / ({times(rest)})" if length == -1 else str(length)
            yield f"axis {axis}: {split} = {output[axis]}"

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        dim, parts = self.dim % len(shape), len(self.unflattened_size)
        if parts > 1:
            origins.forget(dim)
        origins.axes[dim : dim + 1] = [origins.axes[dim]] if parts == 1 else [()] * parts

    def example_inputs(self) -> Shapes:
        lengths = list(_lengths(2, self.dim))
        lengths[self.dim] = self.known_length * (2 if -1 in self.unflattened_size else 1)
        return (tuple(lengths),)

    def __str__(self) -> str:
        return f"Unflatten(dim={self.dim}, unflattened_size={self.unflattened_size})"

    def label(self) -> str:
        return label([self.kind, self.dim, "x".join(map(str, self.unflattened_size))])


def _axis(name: str, dim: int, shape: Shape, kind: str) -> int:
    """Return an axis counted from 0. Raises ShapeError if the shape does not have it."""
    if not -len(shape) <= dim < len(shape):
        raise ShapeError(
            f"{kind} has {name}={dim}, and {say_rank(shape)}; it takes {dim + 1 if dim >= 0 else -dim} of them or more"
        )
    return dim % len(shape)


def _lengths(rank: int, *dims: int) -> Shape:
    """Return a shape of `rank` axes, or of more if `dims` name one that it lacks."""
    rank = max(rank, *(dim + 1 if dim >= 0 else -dim for dim in dims))
    # Only the last axes are longer than 1, so that many of them do not make a large input.
    return (1,) * (rank - _USUAL_RANK) + (2, 3, 4, 5)[-rank:]
