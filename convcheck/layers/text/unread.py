"""A layer of a print that cannot be read, in its place among those that can."""

from __future__ import annotations

from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.layers.base import Layer
from convcheck.layers.weightless import Weightless
from convcheck.sizes.patterns import Shape, Shapes


@dataclass(frozen=True)
class Unread(Weightless):
    """A layer of which nothing is known but its kind: no shape, and no number of parameters."""

    why: str

    SIGNATURE = ()

    def __str__(self) -> str:
        return f"{self.kind}(...)"

    def label(self) -> str:
        return self.kind.lower()

    def output_shape(self, shape: Shape) -> Shape:
        raise ShapeError(self.why)

    def example_inputs(self) -> Shapes:
        return ((1,),)


def is_unread(layer: Layer) -> bool:
    """Tell whether a layer is one of those."""
    return isinstance(layer, Unread)
