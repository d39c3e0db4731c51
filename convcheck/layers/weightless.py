"""What layers without parameters have in common."""

from __future__ import annotations

from dataclasses import dataclass

from convcheck.layers.base import Layer, Roundings
from convcheck.sizes.patterns import Shape


@dataclass(frozen=True)
class Weightless(Layer):
    """A layer that has no parameters and multiplies nothing. Most of them move every entry to its place."""

    def parameters(self) -> dict[str, Shape]:
        return {}

    def macs(self, shape: Shape) -> int:
        """Return 0: entries are moved, compared, or added up, and never multiplied."""
        self.output_shape(shape)
        return 0

    def roundings(self) -> Roundings:
        # What is only moved is not rounded.
        return Roundings(sums=0)

    def degree(self) -> int | None:
        return 1
