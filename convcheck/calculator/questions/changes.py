"""Which padding, output_padding or stride of one layer makes this output of this input?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from convcheck.calculator.answers import AxisChange, Change, Changes, Near, OpenRanges, Suggestion
from convcheck.calculator.inverse.backwards import Box
from convcheck.calculator.inverse.chain import forwards, layers_of, through
from convcheck.calculator.inverse.forms import forms_of, takes
from convcheck.calculator.inverse.monotone import Monotone
from convcheck.calculator.inverse.ranges import Ranges, TooManyError, common, holds, only, values
from convcheck.calculator.questions.misfits import Refit, misfits_of
from convcheck.calculator.questions.suggestions import FARTHEST, suggestions_for
from convcheck.calculator.questions.transposed_sizes import size_ranges, sizes_for
from convcheck.calculator.questions.writing import adjusted, pasted
from convcheck.errors import ShapeError
from convcheck.layers import Layer
from convcheck.sizes.limits import MAX_ANSWERS
from convcheck.sizes.patterns import SPACE_AXES, Shape
from convcheck.sizes.windows import Step, TransposedWindow, Window, span


def changes_for(layers: Sequence[Layer], input: Shape, output: Shape) -> Changes:
    """Return what the layers, one after the other, make of an input, and which change of one of them gives `output`.

    Raises:
        UsageError, TooManyError: a layer cannot be asked backwards.
        ShapeError: a layer cannot take what it gets, and no change mends it.
    """
    chain = list(layers_of(layers))
    shapes, fault = forwards(chain, input)
    gives = shapes[-1] if fault is None else None
    changes: list[Change] = []
    suggestions: list[Suggestion] = []
    if gives != output:
        # Of each layer, its outputs from which the ones after it make what is asked for.
        wanted = through(chain, [tuple(map(only, output))], len(input))[0][1:]
        for number, (layer, shape, boxes) in enumerate(zip(chain, shapes, wanted, strict=False), start=1):
            changes += (change for box in boxes for change in _changed(number, layer, shape, box))
        suggestions = suggestions_for(chain, shapes, wanted, output)
    done = [change for change in changes if change.layer is not None]
    if fault is not None and not done and not suggestions:
        raise ShapeError(fault)
    misfits, refit = misfits_of(chain, shapes, output) if gives is not None else ([], None)
    if refit is not None:
        suggestions = [*_refitted(refit, input, output), *suggestions]
    return Changes(
        question="changes",
        layers=tuple(map(str, layers)),
        input=input,
        output=output,
        gives=gives,
        fault=fault,
        changes=tuple(done or changes),
        suggestions=tuple(suggestions),
        misfits=tuple(misfits),
    )


def _refitted(refit: Refit, input: Shape, output: Shape) -> Iterator[Suggestion]:
    """Yield the layer with other channels, and with other arguments beside where those alone are not enough."""
    shapes, _ = forwards(refit.layers, input)
    if shapes[-1] == output:
        yield Suggestion(refit.number, pasted(refit.layers[refit.number - 1]), (refit.argument,), None)
        return
    wanted = through(refit.layers, [tuple(map(only, output))], len(input))[0][1:]
    for suggestion in suggestions_for(refit.layers, shapes, wanted, output):
        if suggestion.number == refit.number:
            yield replace(suggestion, changed=(refit.argument, *suggestion.changed))


def _changed(number: int, layer: Layer, shape: Shape, box: Box) -> Iterator[Change]:
    """Yield what gives an output in the box for an input of this shape, along every axis, or comes close to it."""
    axes = layer.axis_map(len(shape))
    if not layer.ADJUSTABLE or axes is None or not takes(axes, shape) or len(box) != len(shape):
        return
    for form in forms_of(layer, (shape,)) or ():
        if not all(length is None or holds(lengths, length) for lengths, length in zip(box, form, strict=True)):
            return
    if "output_spatial_shape" in layer.ADJUSTABLE:
        yield from _asked_for(number, layer, shape, box)
        return
    lengths = [shape[axis] for axis in layer.space(shape)]
    wanted = [box[axis] or () for axis in layer.space(shape)]
    steps = layer.axis_windows(shape)
    changes = [
        _of_spread(step, length, asked)
        if isinstance(step, TransposedWindow)
        else _of_window(layer, step, length, asked)
        for step, length, asked in zip(steps, lengths, wanted, strict=True)
    ]
    named = dict(zip(SPACE_AXES[layer.dims], changes, strict=True))
    if all(axis.padding or axis.pairs or axis.stride for axis in changes):
        yield Change(number, named, pasted(_rewritten(layer, steps, changes)), _output_size(steps, lengths, wanted))
    else:
        yield Change(number, named, None)


def _asked_for(number: int, layer: Layer, shape: Shape, box: Box) -> Iterator[Change]:
    """Yield the layer with an output_spatial_shape that is in the box, where that may be asked for."""
    try:
        sizes = sizes_for([layer], shape).sizes
    except ShapeError:
        # What it asks for now does not fit, which is no reason to ask for nothing else.
        nothing: dict[str, Any] = {"output_spatial_shape": None}
        plain = replace(layer, **nothing)
        if not forwards([plain], shape)[1]:
            yield from _asked_for(number, plain, shape, box)
        return
    asked = (box[axis] or () for axis in layer.space(shape))
    fits = [common(size.by_output_size, lengths) for size, lengths in zip(sizes, asked, strict=True)]
    if all(fits):
        written = adjusted(layer, output_spatial_shape=tuple(ranges[0][0] for ranges in fits))
        named = dict(zip(SPACE_AXES[layer.dims], (AxisChange(output_size=ranges) for ranges in fits), strict=True))
        yield Change(number, named, pasted(written, "convcheck"))


def _of_window(layer: Layer, window: Window, length: int, wanted: Ranges) -> AxisChange:
    """Return every symmetric padding, or else every stride, for which a window gives a length that is wanted."""
    most = layer.most_padding(window, length)
    most = FARTHEST if most is None else most
    near: tuple[Near, ...] = ()
    if "padding" in layer.ADJUSTABLE:
        paddings = Monotone(lambda pad: layer.outputs_of(replace(window, before=pad, after=pad), length), 0, most)
        if symmetric := paddings.reaching(wanted):
            return AxisChange(padding=symmetric)
        near = _near("padding", paddings, wanted)
    if max(window.before, window.after) > most or layer.arguments().get("padding") == "same":
        return AxisChange(nearest=near)
    # With ceil_mode a window may stick out at the end, by less than a stride.
    reach = span(window.kernel, window.dilation) - window.before - window.after
    strides = Monotone(
        lambda step: layer.outputs_of(replace(window, stride=step), length), max(1, 1 + reach - length), FARTHEST, True
    )
    return AxisChange(stride=_open(strides.reaching(wanted)), nearest=(*near, *_near("stride", strides, wanted)))


def _near(argument: str, function: Monotone, wanted: Ranges) -> tuple[Near, ...]:
    """Return the arguments on either side of the one that would give the lengths that are wanted, if there were one."""
    beside = function.beside(wanted[0][0]) if wanted else ()
    return tuple(Near(argument, value, function.of(value)) for value in beside if function.of(value) >= 1)


def _of_spread(spread: TransposedWindow, length: int, wanted: Ranges) -> AxisChange:
    """Return every legal padding with output_padding, or else every stride, that gives a length that is wanted."""
    limit = max(spread.stride, spread.dilation)
    # Of the pairs, one in two has the right parity, whatever the length.
    if (many := limit * sum(last - first + 1 for first, last in wanted)) > 2 * MAX_ANSWERS:
        raise TooManyError(f"{many} pairs of a length and an output_padding would have to be tried")
    whole = replace(spread, padding=0, output_padding=0).outputs(length)
    pairs = [
        ((whole + extra - asked) // 2, extra)
        for asked in values(wanted)
        for extra in range(limit)
        if whole + extra >= asked and (whole + extra - asked) % 2 == 0
    ]
    if pairs:
        return AxisChange(pairs=tuple(sorted(set(pairs))))
    # What is shorter, padding cuts to; so the stride has to be longer, and leaves room for output_padding.
    strides = Monotone(lambda step: replace(spread, stride=step).outputs(length), spread.stride, FARTHEST)
    paddings = Monotone(lambda pad: replace(spread, padding=pad).outputs(length), 0, FARTHEST, True)
    near = *_near("padding", paddings, wanted), *_near("stride", strides, wanted)
    return AxisChange(stride=_open(strides.reaching(wanted)), nearest=near)


def _open(ranges: Ranges) -> OpenRanges:
    return tuple((first, None if last == FARTHEST else last) for first, last in ranges)


def _rewritten(layer: Layer, steps: Sequence[Step], axes: Sequence[AxisChange]) -> Layer:
    """Return the layer with one of the changes along every axis: the one nearest to what is there."""
    strides = tuple(_nearest(axis.stride, step.stride) for axis, step in zip(axes, steps, strict=True))
    pairs = [_paddings(axis, step) for axis, step in zip(axes, steps, strict=True)]
    paddings, extras = (tuple(numbers) for numbers in zip(*pairs, strict=True))
    return adjusted(layer, stride=strides, padding=paddings, output_padding=extras)


def _paddings(axis: AxisChange, step: Step) -> tuple[int, int]:
    """Return the padding and output_padding nearest to those that are there."""
    if isinstance(step, Window):
        return _nearest(axis.padding, step.before), 0
    # The least change of the padding, and then of the output_padding.
    there = (step.padding, step.output_padding)
    pairs = [(pair[0], pair[1]) for pair in axis.pairs]
    return min(pairs, key=lambda pair: (abs(pair[0] - there[0]), abs(pair[1] - there[1])), default=there)


def _nearest(ranges: OpenRanges, value: int) -> int:
    """Return the number in the ranges that is nearest to a value; the value itself where there are no ranges."""
    ends = [max(first, value if last is None else min(last, value)) for first, last in ranges]
    return min(ends, key=lambda end: abs(end - value), default=value)


def _output_size(steps: Sequence[Step], lengths: Sequence[int], wanted: Sequence[Ranges]) -> Shape | None:
    """Return what forward's `output_size` has to be for what is wanted, where torch takes that as the layer is."""
    sizes = []
    for step, length, asked in zip(steps, lengths, wanted, strict=True):
        if isinstance(step, Window):
            return None
        _, by_size = size_ranges(step, length)
        sizes += [size for size in values(by_size) if holds(asked, size)][:1]
    return tuple(sizes) if len(sizes) == len(steps) else None
