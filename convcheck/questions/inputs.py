"""Which inputs give this output? All of them, or none and the nearest outputs that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from convcheck.answers import Inputs, Made, Nearest
from convcheck.layers import Flatten, Layer, Unfold
from convcheck.layers.arguments import LARGEST
from convcheck.layers.inverse import (
    ANY,
    Box,
    CoupledError,
    Ranges,
    TooManyError,
    axis_names,
    layers_of,
    only,
    through,
)
from convcheck.patterns import Shape


def inputs_for(layers: Sequence[Layer], output: Shape) -> Inputs:
    """Return every input shape from which the layers, one after the other, make an output of this shape.

    Raises:
        UsageError: a layer cannot be asked backwards.
        TooManyError: they are too many to be listed.
    """
    each = list(layers_of(layers))
    boxes, reasons = boxes_for(each, tuple(map(only, output)))
    return Inputs(
        question="inputs",
        layers=tuple(map(str, layers)),
        output=output,
        inputs=tuple(dict(zip(axis_names(each[0], len(box), "i"), _known(box), strict=True)) for box in boxes),
        nearest=() if boxes else tuple(_nearest(each, output)),
        reasons=() if boxes else tuple(reasons),
    )


def boxes_for(layers: Sequence[Layer], box: Box) -> tuple[list[Box], list[str]]:
    """Return the inputs whose output is in the box, and the reasons if there are none."""
    found, reasons = through(layers, [box])
    return found[0], reasons


def _known(box: Box) -> list[Ranges]:
    """Return the lengths of a box that came of a shape, in which none is left open."""
    assert None not in box
    return [lengths for lengths in box if lengths is not None]


def _nearest(layers: Sequence[Layer], output: Shape) -> list[Nearest]:
    """Return, for every axis that can have no such length whatever the others have, the nearest that it can have."""
    if any(isinstance(layer, (Flatten, Unfold)) for layer in layers):
        # Where axes become one, which of them is at fault depends on the others.
        return []
    names = axis_names(layers[-1], len(output), "o")
    found = []
    for axis, asked in enumerate(output):
        try:
            if _before(layers, output, axis, only(asked)):
                continue
            below = _last(partial(_gives_from, layers, output, axis), asked - 1)
            above = _first(partial(_gives_up_to, layers, output, axis), asked + 1)
            made = [None if each is None else _made(layers, output, axis, each) for each in (below, above)]
        except (CoupledError, TooManyError):
            continue
        if any(made):
            found.append(Nearest(names[axis], asked, *made))
    return found


def _before(layers: Sequence[Layer], output: Shape, axis: int, lengths: Ranges | None) -> list[Box]:
    """Return the inputs for which one axis of the output has such a length, and the others any."""
    return boxes_for(layers, (*(ANY,) * axis, lengths, *(ANY,) * (len(output) - axis - 1)))[0]


def _gives_from(layers: Sequence[Layer], output: Shape, axis: int, first: int) -> bool:
    """Tell whether an axis of the output can have a length from `first` on that is below what is asked for."""
    return bool(_before(layers, output, axis, ((first, output[axis] - 1),)))


def _gives_up_to(layers: Sequence[Layer], output: Shape, axis: int, last: int) -> bool:
    """Tell whether an axis of the output can have a length up to `last` that is above what is asked for."""
    return bool(_before(layers, output, axis, ((output[axis] + 1, last),)))


def _last(holds: Callable[[int], bool], most: int) -> int | None:
    """Return the largest number up to `most`, and at least 1, for which `holds`; below it, it goes on to hold."""
    low, step = most, 1
    while low >= 1 and not holds(low):
        low, step = low - step, 2 * step
    if low < 1 and (most < 1 or not holds(1)):
        return None
    # It holds at low and not at high.
    low, high = max(low, 1), most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _first(holds: Callable[[int], bool], least: int) -> int | None:
    """Return the smallest number from `least` on for which `holds`; beyond it, it goes on to hold."""
    turned = _last(lambda number: holds(LARGEST + 1 - number), LARGEST + 1 - least)
    return None if turned is None else LARGEST + 1 - turned


def _made(layers: Sequence[Layer], output: Shape, axis: int, length: int) -> Made:
    """Return which axis of the input must have which lengths for one axis of the output to have this one."""
    (box, *others), whatever = _before(layers, output, axis, only(length)), _before(layers, output, axis, ANY)
    differ = [
        at for at, (told, free) in enumerate(zip(box, whatever[0], strict=True)) if told is not None and told != free
    ]
    if len(differ) != 1 or others or len(whatever) > 1:
        return Made(length, None, None)
    return Made(length, axis_names(layers[0], len(box), "i")[differ[0]], box[differ[0]])
