"""timm's pooling to one position, SelectAdaptivePool2d, as it is printed."""

from __future__ import annotations

from dataclasses import dataclass

from convcheck.layers.base import Layer
from convcheck.layers.counted import Counted
from convcheck.layers.shape_checks import check_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import Shape, Shapes


def _flatten(value: object, dims: int) -> object:
    """Read the layer behind the pool, as it is printed."""
    from convcheck.layers.text.parse import parse_layer

    return parse_layer(value)


@dataclass(frozen=True)
class SelectPool(Counted):
    """The mean, the maximum, their mean or both of every channel, then `flatten`."""

    pool_type: str
    flatten: Layer

    DIMS = 2
    SIGNATURE = (
        Argument("pool_type", read.one_of("avg", "max", "avgmax", "catavgmax", "fastavg", "fastmax", "fastavgmax")),
        Argument("flatten", _flatten),
    )

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, 2, "channels", self.kind)
        channels = shape[-3] * (2 if self.pool_type == "catavgmax" else 1)
        pooled = (*shape[:-3], channels, 1, 1)
        # The fast ones have no axes left to flatten.
        return pooled[:-2] if self.pool_type.startswith("fast") else self.flatten.output_shape(pooled)

    def example_inputs(self) -> Shapes:
        return ((2, 3, 4, 5),)

    def __str__(self) -> str:
        return f"{self.kind}(pool_type={self.pool_type}, flatten={self.flatten})"

    def label(self) -> str:
        return f"{self.kind.lower()}-{self.pool_type}"
