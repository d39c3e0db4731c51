"""einops.rearrange as a layer: the input's axes split, moved and joined."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import PatternError, ShapeError
from convcheck.layers.axis_map import AxisMap
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.layers.weightless import Weightless
from convcheck.sizes.patterns import Pattern, Shape, Shapes, parse
from convcheck.sizes.terms import times
from convcheck.sizes.windows import TransposedWindow, Window

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import Axis, AxisOrigins

_ELLIPSIS = "..."


def _pattern(value: object, dims: int) -> object:
    text = value if isinstance(value, str) else ""
    try:
        pattern = parse(text.replace(_ELLIPSIS, "ellipsis"))
    except PatternError as error:
        raise BadValueError(f"a pattern such as 'b c h w -> b (h w) c': {error}") from None
    if pattern.repeated:
        new = " and ".join(pattern.repeated)
        raise BadValueError(f"a pattern with the same axes on both sides; {new} stands on the right only")
    return " ".join(text.split())


def _lengths(value: object, dims: int) -> object:
    assert isinstance(value, Mapping)
    return tuple((name, read.whole(1)(length, dims)) for name, length in value.items())


@dataclass(frozen=True)
class Rearrange(Weightless):
    """`rearrange("b c (h p) -> b (c p) h", p=2)`: every output is one input."""

    pattern: str
    lengths: tuple[tuple[str, int], ...]

    SIGNATURE = (Argument("pattern", _pattern),)
    KEYWORDS = Argument("lengths", _lengths)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        axes = [axis for group in parse(self.pattern.replace(_ELLIPSIS, "ellipsis")).source for axis in group]
        for name, _ in self.lengths:
            if name not in axes:
                yield name, f"{name} is no axis of {self.pattern!r}; there are: {', '.join(axes)}"

    def for_rank(self, rank: int) -> Pattern:
        """Return the pattern for an input of this rank: an ellipsis stands for as many axes as are left over.

        Raises:
            ShapeError: the pattern has another number of axes.
        """
        left = self.pattern.partition("->")[0]
        named = len(parse(self.pattern.replace(_ELLIPSIS, "ellipsis")).source) - (_ELLIPSIS in left)
        more = rank - named
        if more < 0 or (more and _ELLIPSIS not in left):
            wanted = f"at least {named}" if _ELLIPSIS in left else str(named)
            raise ShapeError(f"{left.strip()!r} has {wanted} axes, and the input has {rank}")
        return parse(self.pattern.replace(_ELLIPSIS, " ".join(f"ellipsis{number}" for number in range(more))))

    def output_shape(self, shape: Shape) -> Shape:
        try:
            return self.for_rank(len(shape)).shape(shape, dict(self.lengths))
        except PatternError as error:
            raise ShapeError(f"{self.pattern!r} on {list(shape)}: {error}") from None

    def axis_map(self, rank: int) -> AxisMap | None:
        try:
            pattern, known = self.for_rank(rank), dict(self.lengths)
        except (PatternError, ShapeError):
            return None
        # einops cannot take apart a group of several lengths that are not known.
        split = all(len(set(group) - known.keys()) < 2 for group in pattern.source)
        return AxisMap(pattern.source, pattern.target, known) if split else None

    def explain(self, shape: Shape) -> Iterator[str]:
        output, pattern = self.output_shape(shape), self.for_rank(len(shape))
        sizes = pattern.sizes(shape, dict(self.lengths))
        for group, length in zip(pattern.target, output, strict=True):
            if len(group) > 1:
                yield f"({' '.join(group)}): {times(sizes[axis] for axis in group)} = {length}"

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        origins.axes = list(self._moved(origins, shape))

    def _moved(self, origins: AxisOrigins, shape: Shape) -> Iterator[Axis]:
        """Yield where the axes of the output come from.

        `(h p)` on the left are blocks: h holds the places of blocks of p positions, and p what is within them. `(h p)`
        on the right is the reverse, where p was part of another axis on the left.
        """
        pattern = self.for_rank(len(shape))
        sizes = pattern.sizes(shape, dict(self.lengths))
        places: dict[str, Axis] = {}
        parts = {axis for group in pattern.source if len(group) > 1 for axis in group}
        inner: dict[str, str] = {}
        for number, group in enumerate(pattern.source):
            if len(group) > 1:
                block = math.prod(sizes[axis] for axis in group[1:])
                origins.step(number, Window(block, block, 1, 0, 0))
                inner |= dict.fromkeys(group[1:], group[0])
            places |= {axis: origins.axes[number] if axis == group[0] else () for axis in group}
        for group in pattern.target:
            first, rest = group[:1], group[1:]
            if any(inner.get(axis) in group and places[inner[axis]] for axis in group):
                # What is within blocks is put beside the blocks again, in whatever order.
                origins.unknown |= {origin for axis in group for origin, _ in places[axis]}
                yield ()
            elif rest and all(axis in parts and not places[axis] for axis in rest) and len(places[first[0]]) == 1:
                block = math.prod(sizes[axis] for axis in rest)
                ((origin, path),) = places[first[0]]
                yield ((origin, path.then(TransposedWindow(block, block, 1, 0, 0))),)
            else:
                yield origins.joined([places[axis] for axis in group]) if group else ()

    def example_inputs(self) -> Shapes:
        known, lengths = dict(self.lengths), iter((2, 3, 4, 5, 6, 7, 8, 9) * 8)
        shape = []
        for group in parse(self.pattern.replace(_ELLIPSIS, "ellipsis")).source:
            length = 1
            for axis in group:
                length *= known.get(axis) or next(lengths)
            shape.append(length)
        return (tuple(shape),)

    def __str__(self) -> str:
        return f"rearrange({', '.join([repr(self.pattern), *(f'{name}={n}' for name, n in self.lengths)])})"

    def label(self) -> str:
        words = (
            self.pattern.replace("->", "to").replace("(", " ").replace(")", " ").replace(_ELLIPSIS, "ellipsis").split()
        )
        return "-".join(["rearrange", *words])
