"""A chain of layers backwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from convcheck.calculator.inverse.backwards import Box, NoInputError, inputs_of
from convcheck.calculator.inverse.forms import Forms, forms_of
from convcheck.calculator.inverse.ranges import TooManyError
from convcheck.errors import ShapeError, UsageError
from convcheck.layers.axis_map import counted
from convcheck.layers.base import Layer
from convcheck.sizes.limits import MAX_ANSWERS
from convcheck.sizes.patterns import Shape


def layers_of(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield the layers of a chain one by one, those of every Sequential too.

    Raises:
        UsageError: one takes several inputs.
    """
    for layer in (leaf for part in layers for leaf in part.leaves()):
        if 1 not in layer.INPUT_COUNTS:
            raise UsageError(
                f"{layer} takes {layer.INPUT_COUNTS[0]} inputs; only layers of one input can be asked about"
            )
        yield layer


def forwards(layers: Sequence[Layer], input: Shape) -> tuple[list[Shape], str | None]:
    """Return the input of every layer that has one and the output, and why a layer cannot take what it gets."""
    shapes = [input]
    for number, layer in enumerate(layers, start=1):
        try:
            shapes.append(layer.output_shape(shapes[-1]))
        except ShapeError as error:
            return shapes, f"layer {number}, {layer}: {error}" if len(layers) > 1 else f"{layer}: {error}"
    return shapes, None


def axis_names(layers: Iterable[Layer], rank: int, channels: str) -> tuple[str, ...]:
    """Return a name for every axis of the input of these layers or, reversed, the output; `channels` is one of them."""
    named = (layer.axes(rank, channels) for layer in layers)
    return next((names for names in named if names), counted(rank, ()))


def through(
    layers: Sequence[Layer], boxes: Sequence[Box], rank: int | None = None
) -> tuple[list[list[Box]], list[str]]:
    """Return the inputs of every layer from which the chain's output is in `boxes`, and the reasons why others fail.

    The first of the lists is the chain's own input, of `rank` axes where that is known; the last is `boxes`. They are
    empty from the first layer on, counted from the end, that leaves nothing.

    Raises:
        UsageError, TooManyError: as `inputs_of` does.
    """
    known: list[Forms | None] = [None if rank is None else ((None,) * rank,)]
    for layer in layers:
        known.append(forms_of(layer, known[-1]))
    inputs: list[list[Box]] = [list(boxes)]
    reasons: list[str] = []
    for layer, form in zip(reversed(layers), reversed(known[:-1]), strict=True):
        taken, why = before(layer, inputs[0], form)
        inputs.insert(0, taken)
        reasons = why or reasons
    return inputs, reasons


def before(layer: Layer, boxes: Iterable[Box], form: Forms | None = None) -> tuple[list[Box], list[str]]:
    """Return every input of one layer whose output is in one of the boxes, and why there is none for some of them."""
    inputs: dict[Box, None] = {}
    reasons: dict[str, None] = {}
    for box in boxes:
        try:
            inputs |= dict.fromkeys(inputs_of(layer, box, form))
        except NoInputError as none:
            reasons[str(none)] = None
        if len(inputs) > MAX_ANSWERS:
            raise TooManyError
    return list(inputs), list(reasons)
