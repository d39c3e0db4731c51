"""A layer of which there is no code: its text, the shapes that it is called with, and its weights in a file, if any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from torch import nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.config.case import WeightFile, WeightSource
from convcheck.layers import Layer
from convcheck.layers.families import family_of
from convcheck.models.leaves import Leaf
from convcheck.sizes.patterns import Shape


@cache
def has_rewrites(kind: str) -> bool:
    """Tell whether a rewrite is made for layers of a kind."""
    family = family_of(kind)
    return family is not None and any(issubclass(family, rewrite.families) for rewrite in catalogue().values())


@dataclass(eq=False)
class TextLeaf(Leaf):
    """A layer of a print or of a file; `module` is none of it."""

    weights: WeightFile | WeightSource | None = None
    """None where they are drawn, and so are no others than those of layers that are alike."""

    @classmethod
    def of(
        cls,
        path: str,
        layer: Layer,
        weights: WeightFile | WeightSource | None = None,
        merged: tuple[str, ...] = (),
    ) -> TextLeaf:
        """Return a layer that is called with nothing yet."""
        return cls(path, nn.Identity(), str(layer), layer, weights=weights, merged=merged)

    def give(self, shape: Shape) -> None:
        """Count a call on an input of this shape."""
        self.calls[(shape,)] += 1
