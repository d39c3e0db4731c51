"""Which inputs give this output? All of them, or none and the nearest outputs that there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convcheck.calculator.answers import Inputs, Made, Nearest
from convcheck.calculator.inverse.backwards import Box, CoupledError
from convcheck.calculator.inverse.chain import axis_names, layers_of, through
from convcheck.calculator.inverse.forms import merges
from convcheck.calculator.inverse.ranges import ANY, Lengths, Ranges, TooManyError, only
from convcheck.layers import Layer
from convcheck.sizes.limits import MAX_INT64
from convcheck.sizes.patterns import Shape


def inputs_for(layers: Sequence[Layer], output: Shape) -> Inputs:
    """Return every input shape from which the layers, one after the other, make an output of this shape.

    Raises:
        UsageError: a layer cannot be asked backwards.
        TooManyError: they are too many to be listed.
    """
    chain = list(layers_of(layers))
    boxes, reasons = boxes_for(chain, tuple(map(only, output)))
    return Inputs(
        question="inputs",
        layers=tuple(map(str, layers)),
        output=output,
        inputs=tuple(dict(zip(axis_names(chain, len(box), "i"), _known(box), strict=True)) for box in boxes),
        nearest=() if boxes else tuple(_nearest(chain, output)),
        reasons=() if boxes else tuple(reasons),
    )


def boxes_for(layers: Sequence[Layer], box: Box) -> tuple[list[Box], list[str]]:
    """Return the inputs whose output is in the box, and the reasons if there are none."""
    inputs, reasons = through(layers, [box])
    return inputs[0], reasons


def _known(box: Box) -> list[Ranges]:
    """Return the lengths of a box that came of a shape, in which none is left open."""
    assert None not in box
    return [lengths for lengths in box if lengths is not None]


def _nearest(layers: Sequence[Layer], output: Shape) -> list[Nearest]:
    """Return, for every axis that can have no such length whatever the others have, the nearest that it can have."""
    if any(map(merges, layers)):
        # Where axes become one, which of them is at fault depends on the others.
        return []
    names = axis_names(reversed(layers), len(output), "o")
    free: Box = (ANY,) * len(output)
    nearest = []
    try:
        faulty = [axis for axis, asked in enumerate(output) if not _before(layers, free, axis, only(asked))]
        around = tuple(ANY if axis in faulty else only(asked) for axis, asked in enumerate(output))
        for axis in faulty:
            below, above = _beside(layers, around, axis, output[axis])
            if below or above:
                nearest.append(Nearest(names[axis], output[axis], below, above))
    except (CoupledError, TooManyError):
        pass
    return nearest


def _before(layers: Sequence[Layer], around: Box, axis: int, lengths: Lengths) -> list[Box]:
    """Return the inputs for which one axis of the output has such a length, and the others are as `around` has them."""
    return boxes_for(layers, (*around[:axis], lengths, *around[axis + 1 :]))[0]


def _beside(layers: Sequence[Layer], around: Box, axis: int, asked: int) -> list[Made | None]:
    """Return the nearest lengths of one axis of the output below and above the one asked for, where there are any."""
    low, high = asked - 1, asked + 1
    below = _last(lambda first: bool(_before(layers, around, axis, ((first, low),))), low)
    above = _first(lambda last: bool(_before(layers, around, axis, ((high, last),))), high)
    return [None if length is None else _made(layers, around, axis, length) for length in (below, above)]


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
    turned = _last(lambda number: holds(MAX_INT64 + 1 - number), MAX_INT64 + 1 - least)
    return None if turned is None else MAX_INT64 + 1 - turned


def _made(layers: Sequence[Layer], around: Box, axis: int, length: int) -> Made:
    """Return which axis of the input must have which lengths for one axis of the output to have this one."""
    (box, *others), (free, *more) = (_before(layers, around, axis, lengths) for lengths in (only(length), ANY))
    differ = [axis for axis, (lengths, open_) in enumerate(zip(box, free, strict=True)) if lengths not in (None, open_)]
    if len(differ) != 1 or others or more:
        return Made(length, None, None)
    return Made(length, axis_names(layers, len(box), "i")[differ[0]], box[differ[0]])
