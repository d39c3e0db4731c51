"""Which layers take every entry of a batch by itself, and how many entries are taken at a time. Imports no torch.

Where outputs of one entry depend on that entry alone, and on all entries alike, both sides are one function that is
applied to every entry: if it is the same function on one entry, it is on all. So exact probes, with their gradients,
take a part of the batch, and the float64 referee goes through it part by part. That the layer is such is read off the
way of its axes; of the catalogue's candidates it is a law (`tests/laws/test_batch_parts.py`), and every proof runs them
on the whole batch besides, once on whole numbers and once in the asked dtype.

The size of a part follows from the case alone, never from the memory that is free.
"""

from __future__ import annotations

import math

from convcheck.catalogue.claims import Claim
from convcheck.errors import ShapeError
from convcheck.layers import Layer
from convcheck.sizes.axis_origins import AxisOrigins
from convcheck.sizes.paths import START
from convcheck.sizes.patterns import Shape, Shapes

PART = 1 << 18
"""Inputs and outputs of one part have about so many values, 2 MiB in float64: a processor's caches hold them."""

MANY = 1 << 22
"""Windows that have more values, 32 MiB in float64, are laid out strip by strip, see `strips`; of fewer it is all."""

STRIP = 1 << 20
"""So many values of windows are laid out at a time."""


def separates_entries(layer: Layer, shapes: Shapes) -> bool:
    """Tell whether the first axis of the layer's one input is that of its output, entry by entry.

    An axis of positions is none, since neighbours may be read together or be left out at a border.
    """
    if len(shapes) != 1 or not shapes[0] or layer.IS_USER_CODE:
        return False
    origins = AxisOrigins([((axis, START),) for axis in range(len(shapes[0]))])
    for leaf, taken in layer.leaves_with_inputs(*shapes):
        if 0 in leaf.space(*taken):
            return False
        leaf.trace_axes(origins, *taken)
        # Features that were joined with the entries leave no trace but a longer axis.
        if not _is_first(origins) or leaf.output_shape(*taken)[0] != shapes[0][0]:
            return False
    return True


def _is_first(origins: AxisOrigins) -> bool:
    """Tell whether the entries of the first axis are those of the input's, and along no other axis."""
    first, *others = origins.axes or [()]
    lost = 0 in origins.whole | origins.unknown
    return first == ((0, START),) and not lost and all(origin != 0 for axis in others for origin, _ in axis)


def part_of(claim: Claim) -> int | None:
    """Return how many entries of the batch are taken at a time; None where it is all of them, or more than half."""
    case = claim.case
    layer, shapes = case.layer, case.inputs
    if case.candidate is not None or layer.degree() is None or not separates_entries(layer, shapes):
        return None
    (shape,), output = shapes, layer.output_shape(*shapes)
    part = max(1, PART * shape[0] // (math.prod(shape) + math.prod(output)))
    return part if 2 * part <= shape[0] and _takes(layer, of_entries(part, shape), of_entries(part, output)) else None


def are_many(values: int, inputs: int) -> bool:
    """Tell whether the windows of a convolution have so many values that they are laid out strip by strip.

    Windows that do not overlap take no more than the `inputs` do.
    """
    return values > max(MANY, inputs)


def _takes(layer: Layer, shape: Shape, output: Shape) -> bool:
    """Tell whether a layer takes so many entries; one that names the length of the batch does not."""
    try:
        return layer.output_shape(shape) == output
    except ShapeError:
        return False


def of_entries(count: int, shape: Shape) -> Shape:
    """Return the shape of so many entries of a batch."""
    return (count, *shape[1:])
