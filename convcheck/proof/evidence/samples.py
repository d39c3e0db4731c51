"""Points at which both sides are evaluated: inputs, parameters and statistics, as ones, whole or normal numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from convcheck.layers import Layer
from convcheck.sizes.patterns import Shape, Shapes

Draw = Callable[[Shape], Tensor]

SCALES = (0.25, 0.0625)
"""What a running variance and its eps add up to in an integer probe: powers of four, so that the root is exact, and
1 / root a whole number."""


@dataclass(frozen=True)
class Point:
    """The layer's inputs, and its parameters and statistics by torch's names for them."""

    inputs: tuple[Tensor, ...]
    parameters: Mapping[str, Tensor]

    def variables(self) -> dict[str, Tensor]:
        """Return what gradients are taken in: inputs as `input`, `input 1` and so on, then the parameters."""
        inputs = {f"input {number}" if number else "input": each for number, each in enumerate(self.inputs)}
        return {name: each for name, each in {**inputs, **self.parameters}.items() if each.requires_grad}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Point:
        """Return the point with every tensor changed in the same way."""
        inputs = tuple(change(each) for each in self.inputs)
        return Point(inputs, {name: change(each) for name, each in self.parameters.items()})


def point(layer: Layer, shapes: Shapes, draw: Draw, mask: Draw, means: Draw, variances: Callable[..., Tensor]) -> Point:
    """Fill a point: `draw` makes inputs and parameters, and the others what their names say.

    `variances` takes a shape and the eps that the layer adds.
    """
    masks = layer.boolean_inputs()
    inputs = tuple(mask(shape) if index in masks else draw(shape) for index, shape in enumerate(shapes))
    parameters = {name: draw(shape) for name, shape in layer.parameters().items()}
    for name, statistic in layer.statistics().items():
        shape, eps = statistic.shape, statistic.eps
        parameters[name] = means(shape) if eps is None else variances(shape, eps)
    return Point(inputs, parameters)


def ones(layer: Layer, shapes: Shapes) -> Point:
    """Return the point at which outputs and gradients count their own products, in float64."""

    def one(shape: Shape) -> Tensor:
        return torch.ones(shape, dtype=torch.float64, requires_grad=True)

    # A mean is subtracted, so -1 adds up; a variance of 1 - eps scales by 1.
    return point(
        layer,
        shapes,
        draw=one,
        mask=partial(torch.ones, dtype=torch.bool),
        means=lambda shape: torch.full(shape, -1.0, dtype=torch.float64),
        variances=lambda shape, eps: torch.full(shape, 1.0 - eps, dtype=torch.float64),
    )


def integers(layer: Layer, shapes: Shapes, magnitude: int, generator: torch.Generator) -> Point:
    """Draw a point of whole numbers, uniform in [-magnitude, magnitude], in float64."""

    def variances(shape: Shape, eps: float) -> Tensor:
        chosen = torch.randint(len(SCALES), shape, generator=generator)
        return torch.tensor(SCALES, dtype=torch.float64)[chosen] - eps

    whole = partial(whole_numbers, magnitude=magnitude, generator=generator)
    return point(
        layer,
        shapes,
        draw=lambda shape: whole(shape).requires_grad_(),
        mask=partial(masks, generator=generator),
        means=whole,
        variances=variances,
    )


def whole_numbers(shape: Shape, magnitude: int, generator: torch.Generator) -> Tensor:
    """Draw whole numbers, uniform in [-magnitude, magnitude], as float64."""
    return torch.randint(-magnitude, magnitude + 1, shape, generator=generator, dtype=torch.float64)


def masks(shape: Shape, generator: torch.Generator) -> Tensor:
    """Draw a mask of True and False. Its first column is True, since a row without any has no softmax.

    With several rows, every column is True in one of them at least, so that there is a query that sees each key.
    """
    mask = torch.rand(shape, generator=generator) < 0.5
    mask[..., 0] = True
    if shape[-2] > 1:
        columns = torch.arange(shape[-1])
        mask[..., columns % shape[-2], columns] = True
    return mask


def normals(
    layer: Layer, shapes: Shapes, own: Mapping[str, Tensor], dtype: torch.dtype, generator: torch.Generator
) -> Point:
    """Draw normal inputs, and take `own` parameters; statistics are drawn as after some training, in `dtype`."""
    normal = partial(torch.randn, generator=generator, dtype=dtype)
    drawn = point(
        layer,
        shapes,
        draw=normal,
        mask=partial(masks, generator=generator),
        means=normal,
        variances=lambda shape, _eps: torch.rand(shape, generator=generator, dtype=dtype) + 0.5,
    )
    return Point(drawn.inputs, {**drawn.parameters, **own})


def magnitudes(layer: Layer, at: Point) -> Point:
    """Return the point at which every product of a polynomial is positive, and as large as it is at `at`."""
    found = at.mapped(lambda each: each if each.dtype == torch.bool else each.abs())
    means = {name for name, statistic in layer.statistics().items() if statistic.eps is None}
    # A mean is subtracted.
    return Point(found.inputs, {name: -each if name in means else each for name, each in found.parameters.items()})


def squares(layer: Layer, at: Point) -> Point:
    """Return the point at which every product of a polynomial is the square of what it is at `at`."""
    found = at.mapped(lambda each: each if each.dtype == torch.bool else each.square())
    parameters = dict(found.parameters)
    for name, statistic in layer.statistics().items():
        if statistic.eps is None:
            # A mean is subtracted.
            parameters[name] = -parameters[name]
        else:
            # The root of this and eps is what the variance and eps were.
            parameters[name] = (at.parameters[name] + statistic.eps).square() - statistic.eps
    return Point(found.inputs, parameters)
