"""A rewrite's candidate as a side of a claim."""

from __future__ import annotations

from contextlib import nullcontext

import torch

from convcheck.layers import Layer
from convcheck.rewriting.rewrite import Rewrite, parameter_count
from convcheck.rewriting.transplant import Transplant
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Group, Shapes

FEW = 1 << 12
"""How many weights torch draws in the time in which it comes to draw none."""


def candidate_side(rewrite: Rewrite, layer: Layer, shapes: Shapes, order: Group | None, mapping: Transplant) -> Side:
    """Return the candidate of `rewrite` for `layer` and inputs of `shapes`, built without memory for large weights."""
    # A run uses transplanted parameters only, and torch takes longer for none than for a few.
    few = parameter_count(mapping.shapes()) <= FEW
    with nullcontext() if few else torch.device("meta"):
        module = rewrite.build(layer, shapes, order)
    statistics = dict(module.named_buffers())
    transform = rewrite.transform
    if transform is None:
        gain, transform_error = 0.0, None
    else:
        gain, rows = transform.gain(layer, *shapes), transform.rows

        def transform_error(sample: Sample) -> torch.Tensor:
            # The bound is a product of norms, whose squares float64 may not hold.
            x, parameters = sample.inputs[0], sample.parameters
            scales = [float(tensor.abs().max()) or 1.0 for tensor in (x, parameters["weight"])]
            unscaled = rows(layer, x / scales[0], {**parameters, "weight": parameters["weight"] / scales[1]})
            return unscaled * scales[0] * scales[1]

    return Side(
        name=type(module).__name__,
        module=module.eval(),
        inputs=shapes,
        parameters={name: shape for name, shape in mapping.shapes().items() if name not in statistics},
        degree=layer.degree(),
        roundings=rewrite.roundings(layer),
        output_shape=layer.output_shape(*shapes),
        gain=gain,
        transform_error=transform_error,
    )
