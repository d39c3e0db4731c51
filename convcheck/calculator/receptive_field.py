"""Receptive fields through chains of layers: which positions of the input an output depends on, along every axis.

Along one axis it is what `convcheck.sizes.paths` follows step by step.

An output position is all channels at one place, so what mixes channels mixes whatever was moved into them. Which axes
of the input are spatial is said by the first layer that has such axes; for attention it is the sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from convcheck.layers.base import Layer
from convcheck.sizes.axis_origins import AxisOrigins
from convcheck.sizes.paths import START
from convcheck.sizes.patterns import Shape, Shapes


@dataclass(frozen=True)
class ReceptiveField:
    """Along one axis of the input: how many positions an output reads, and how far apart those of neighbours begin.

    `field` counts from the first to the last one, for an output far from the borders. Where every output reads all
    positions that are read at all, `field` is the axis' length, and `jump` is None; both are None where the axes were
    moved so that neither is known.
    """

    field: int | None
    jump: Fraction | None


def receptive_fields(layers: Sequence[Layer], inputs: Sequence[Shapes]) -> Iterator[tuple[ReceptiveField, ...]]:
    """Yield, for every layer of a chain, the receptive fields of its outputs along the spatial axes of the input.

    `inputs` are the shapes of the inputs of every layer. Of several inputs of attention, the axis is that of the keys;
    for products of matrices, nothing is yielded along any axis.
    """
    start = inputs[0][1 if len(inputs[0]) > 1 else 0]
    spatial = _spatial(layers, inputs, len(start))
    origins = AxisOrigins([((axis, START),) for axis in range(len(start))], spatial)
    for layer, shapes in zip(layers, inputs, strict=True):
        for leaf, taken in layer.leaves_with_inputs(*shapes):
            leaf.trace_axes(origins, *taken)
        yield tuple(_receptive_field(origins, axis, start) for axis in sorted(spatial))


def _spatial(layers: Sequence[Layer], inputs: Sequence[Shapes], rank: int) -> frozenset[int]:
    origins = AxisOrigins([((axis, START),) for axis in range(rank)])
    for layer, shapes in zip(layers, inputs, strict=True):
        for leaf, taken in layer.leaves_with_inputs(*shapes):
            axes = leaf.space(*taken)
            if axes:
                return frozenset(origin for axis in axes for origin, _ in origins.axes[axis])
            leaf.trace_axes(origins, *taken)
    return frozenset()


def _receptive_field(origins: AxisOrigins, origin: int, start: Shape) -> ReceptiveField:
    paths = [path for axis in origins.axes for source, path in axis if source == origin]
    if origin in origins.unknown:
        return ReceptiveField(None, None)
    if origin in origins.whole or len(paths) != 1:
        return ReceptiveField(start[origin], None)
    return ReceptiveField(paths[0].field, paths[0].jump)
