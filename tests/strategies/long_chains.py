"""Random chains of layers of all kinds, with inputs, as Hypothesis draws them: most often they fit together."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from convcheck.errors import ShapeError
from convcheck.layers import BatchNorm, Conv, ConvTranspose, Layer, Linear, Sequential, parse_layer
from convcheck.sizes.patterns import Shape, Shapes
from tests.strategies.chains import chain
from tests.strategies.layers import FAMILIES, shapes

TRIES = 4
"""So many layers are drawn, one after the other, for one that takes what there is."""


# Values with their indices are two outputs, which no chain takes; a chain of such is refused when it is read.
LAYERS = st.one_of([*FAMILIES.values()]).filter(lambda layer: not getattr(layer, "return_indices", False))


@st.composite
def long_chains(draw: st.DrawFn) -> tuple[Sequential, Shapes]:
    """Draw two to five layers and an input of the first; in one chain out of six, a layer need not fit."""
    misfit = draw(st.integers(0, 23))
    first = draw(LAYERS)
    [shape] = draw(shapes(first))
    layers, at = [first], through(first, shape)
    for number in range(1, draw(st.integers(2, 5))):
        for attempt in range(TRIES):
            layer = draw(LAYERS)
            if at is not None and number != misfit:
                layer = fitted(layer, at)
            if at is None or number == misfit or through(layer, at) is not None or attempt == TRIES - 1:
                break
        layers.append(layer)
        at = None if at is None else through(layer, at)
    return chain(*layers), (shape,)


def through(layer: Layer, shape: Shape) -> Shape | None:
    """Return the output's shape, or None if there is none."""
    try:
        return layer.output_shape(shape)
    except ShapeError:
        return None


def fitted(layer: Layer, shape: Shape) -> Layer:
    """Return a layer of the same family that takes as many channels, features and axes as there are."""
    if isinstance(layer, Linear):
        return dataclasses.replace(layer, in_features=shape[-1])
    dims = len(shape) - 2
    if not 1 <= dims <= 3:
        return parse_layer("Flatten()") if dims > 3 else layer
    if isinstance(layer, BatchNorm):
        return dataclasses.replace(layer, kind=f"BatchNorm{dims}d", num_features=shape[1])
    if isinstance(layer, (Conv, ConvTranspose)) and layer.dims == dims:
        return dataclasses.replace(layer, in_channels=shape[1], out_channels=layer.out_channels, groups=1)
    return layer
