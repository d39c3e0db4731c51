"""einops.rearrange as a layer: the input's axes split, moved and joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from convcheck.errors import PatternError, ShapeError
from convcheck.layers import arguments as read
from convcheck.layers.arguments import Argument, BadValueError
from convcheck.layers.base import Layer, Roundings
from convcheck.patterns import Pattern, Shape, Shapes, parse
from convcheck.records import record

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


@record
class Rearrange(Layer):
    """`rearrange("b c (h p) -> b (c p) h", p=2)`: every output is one input."""

    pattern: str
    lengths: tuple[tuple[str, int], ...]

    KINDS = {"rearrange": 0}
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

    def parameters(self) -> dict[str, Shape]:
        return {}

    def macs(self, shape: Shape) -> int:
        """Return 0: nothing is multiplied."""
        self.output_shape(shape)
        return 0

    def typical_inputs(self) -> Shapes:
        known, lengths = dict(self.lengths), iter((2, 3, 4, 5, 6, 7, 8, 9) * 8)
        shape = []
        for group in parse(self.pattern.replace(_ELLIPSIS, "ellipsis")).source:
            length = 1
            for axis in group:
                length *= known.get(axis) or next(lengths)
            shape.append(length)
        return (tuple(shape),)

    def roundings(self) -> Roundings:
        return Roundings(sums=0)

    def degree(self) -> int:
        return 1

    def __str__(self) -> str:
        return f"rearrange({', '.join([repr(self.pattern), *(f'{name}={n}' for name, n in self.lengths)])})"

    def label(self) -> str:
        words = (
            self.pattern.replace("->", "to").replace("(", " ").replace(")", " ").replace(_ELLIPSIS, "ellipsis").split()
        )
        return "-".join(["rearrange", *words])
