"""Layers that would make the output that is asked for: fewest arguments changed first, absurd ones last."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from convcheck.calculator.answers import Suggestion
from convcheck.calculator.inverse.backwards import Box
from convcheck.calculator.inverse.chain import forwards
from convcheck.calculator.inverse.monotone import Monotone
from convcheck.calculator.inverse.ranges import Ranges, common, holds
from convcheck.calculator.questions.writing import adjusted, pasted
from convcheck.layers import Layer
from convcheck.sizes.limits import MAX_TRIED
from convcheck.sizes.patterns import SPACE_AXES, Shape
from convcheck.sizes.windows import Step, TransposedWindow, Window, span

FARTHEST = 2**62
"""A padding or stride beyond which none is looked for."""

_MOST = 8
"""Suggestions of one question."""


class _Setting(NamedTuple):
    """The arguments along one axis."""

    stride: int
    padding: int
    output_padding: int = 0


def suggestions_for(
    layers: Sequence[Layer], shapes: Sequence[Shape], wanted: Sequence[Sequence[Box]], output: Shape
) -> list[Suggestion]:
    """Return changes of one layer each, after which the layers, one after the other, make the output.

    `shapes` are the inputs of the layers, and `wanted` the outputs of every layer from which the rest makes it.
    """
    made: dict[tuple[int, str], Suggestion] = {}
    for number, (layer, shape, boxes) in enumerate(zip(layers, shapes, wanted, strict=False), start=1):
        enough: list[frozenset[str]] = []
        for free in _subsets(layer):
            if any(fewer <= free for fewer in enough):
                continue
            for other in (other for box in boxes for other in _layers(layer, shape, box, free)):
                chain = [*layers[: number - 1], other, *layers[number:]]
                if any(other.inconsistencies()) or forwards(chain, shapes[0])[0][len(chain) :] != [output]:
                    continue
                absurd = _absurd(other, shape)
                enough += [free] if absurd is None else []
                made.setdefault((number, str(other)), Suggestion(number, pasted(other), _changed(layer, other), absurd))
    return sorted(made.values(), key=lambda one: (one.absurd is not None, len(one.changed)))[:_MOST]


def _subsets(layer: Layer) -> Iterator[frozenset[str]]:
    """Yield the sets of arguments that may be changed, small ones first."""
    names: list[str] = [name for name in ("padding", "stride", "output_padding") if name in layer.ADJUSTABLE]
    names += ["ceil_mode"] if names and "ceil_mode" in layer.arguments() else []
    for count in range(1, len(names) + 1):
        yield from map(frozenset, itertools.combinations(names, count))


def _changed(layer: Layer, other: Layer) -> tuple[str, ...]:
    before = layer.arguments()
    return tuple(name for name, value in other.arguments().items() if before[name] != value)


def _layers(layer: Layer, shape: Shape, box: Box, free: frozenset[str]) -> Iterator[Layer]:
    """Yield the layer with other values of some arguments, for which it may give an output in the box."""
    if len(box) != len(shape) or layer.axis_map(len(shape)) is None:
        return
    values: dict[str, Any] = {"ceil_mode": not layer.arguments()["ceil_mode"]} if "ceil_mode" in free else {}
    base = replace(layer, **values)
    steps = zip(layer.axis_windows(shape), layer.space(shape), strict=True)
    axes = [(step, shape[axis], box[axis]) for step, axis in steps]
    if "padding" in free and _may_be_same(layer) and all(holds(asked, length) for _, length, asked in axes):
        same: dict[str, Any] = {"padding": "same"}
        plain = adjusted(layer, stride=(1,) * layer.dims) if "stride" in free else layer
        yield replace(plain, **same)
    settings = [_setting(base, step, length, asked or (), free) for step, length, asked in axes]
    known = [setting for setting in settings if setting is not None]
    if len(known) == len(axes):
        columns = zip(*known, strict=True)
        sizes = dict(zip(_Setting._fields, columns, strict=True))
        yield adjusted(base, **{name: size for name, size in sizes.items() if name in free})


def _may_be_same(layer: Layer) -> bool:
    """Tell whether torch takes padding='same', which a padding of the same number on both sides may not say."""
    odd = any(span(w.kernel, w.dilation) % 2 == 0 for w in layer.axis_windows(()) if isinstance(w, Window))
    return odd and layer.padding_fill() is not None and "ceil_mode" not in layer.arguments()


def _setting(layer: Layer, step: Step, length: int, wanted: Ranges, free: frozenset[str]) -> _Setting | None:
    """Return the arguments along one axis that give a length that is wanted and are nearest to those there are."""
    if isinstance(step, TransposedWindow):
        there = _Setting(step.stride, step.padding, step.output_padding)
        every = _spread_settings(step, length, wanted, free)
    else:
        there = _Setting(step.stride, step.before)
        every = _window_settings(layer, step, length, wanted, free)
    reach = span(step.kernel, step.dilation)
    return min(
        every,
        key=lambda one: (one.padding >= reach, *(abs(new - old) for new, old in zip(one, there, strict=True))),
        default=None,
    )


def _window_settings(
    layer: Layer, window: Window, length: int, wanted: Ranges, free: frozenset[str]
) -> Iterator[_Setting]:
    most = layer.most_padding(window, length)
    reach = span(window.kernel, window.dilation)
    pads: list[tuple[int, int]] = [(window.before, window.after)]
    if "padding" in free:
        limit = min(FARTHEST if most is None else most, reach - 1, MAX_TRIED)
        pads += [(pad, pad) for pad in range(limit + 1)]
    for before, after in pads:
        padded = replace(window, before=before, after=after)
        if holds(wanted, layer.outputs_of(padded, length)):
            yield _Setting(window.stride, before)
        if "stride" in free and reach <= length + before + after:
            strides = Monotone(lambda s, w=padded: layer.outputs_of(replace(w, stride=s), length), 1, FARTHEST, True)  # type: ignore[misc]
            yield from (_Setting(stride, before) for stride in _ends(strides.reaching(wanted), window.stride))
    if "padding" in free and free.isdisjoint({"stride"}):
        # Beyond the kernel, too: absurd, and still an answer.
        paddings = Monotone(
            lambda pad: layer.outputs_of(replace(window, before=pad, after=pad), length),
            0,
            FARTHEST if most is None else most,
        )
        for ranges in (paddings.reaching(wanted), common(paddings.reaching(wanted), ((0, reach - 1),))):
            yield from (_Setting(window.stride, pad) for pad in _ends(ranges, window.before))


def _spread_settings(spread: TransposedWindow, length: int, wanted: Ranges, free: frozenset[str]) -> Iterator[_Setting]:
    reach = span(spread.kernel, spread.dilation)
    pads = [spread.padding, *(range(min(reach, MAX_TRIED)) if "padding" in free else ())]
    for padding in pads:
        padded = replace(spread, padding=padding, output_padding=0)
        if "stride" not in free:
            yield from _extras(padded, spread.output_padding, length, wanted, free)
            continue
        strides = Monotone(lambda s, w=padded: replace(w, stride=s).outputs(length), 1, FARTHEST)  # type: ignore[misc]
        most = max(_ends(strides.reaching(((1, wanted[-1][1]),)), FARTHEST), default=0) if wanted else 0
        for stride in {*range(max(1, most - 2), most + 1)} if length > 1 else ():
            yield from _extras(replace(padded, stride=stride), spread.output_padding, length, wanted, free)
    if free == {"padding"}:
        paddings = Monotone(lambda pad: replace(spread, padding=pad).outputs(length), 0, FARTHEST, True)
        for pad in _ends(paddings.reaching(wanted), spread.padding):
            yield _Setting(spread.stride, pad, spread.output_padding)


def _extras(
    spread: TransposedWindow, present: int, length: int, wanted: Ranges, free: frozenset[str]
) -> Iterator[_Setting]:
    """Yield the settings of a spread with an output_padding that gives a length that is wanted."""
    plain, limit = spread.outputs(length), max(spread.stride, spread.dilation)
    extras = {first - plain for first, _ in wanted} | {present} if "output_padding" in free else {present}
    for extra in extras:
        if 0 <= extra < limit and holds(wanted, plain + extra):
            yield _Setting(spread.stride, spread.padding, extra)


def _ends(ranges: Ranges, value: int) -> Iterator[int]:
    """Yield of every range the number nearest to a value."""
    yield from (max(first, min(last, value)) for first, last in ranges)


def _absurd(layer: Layer, shape: Shape) -> str | None:
    """Say why nobody would want a layer: the padding is as long as the kernel, so outputs read nothing else."""
    for axis, step in zip(SPACE_AXES[layer.dims], layer.axis_windows(shape), strict=True):
        padding = step.padding if isinstance(step, TransposedWindow) else max(step.before, step.after)
        reach = span(step.kernel, step.dilation)
        if padding >= reach:
            why = "cuts whole inputs away" if isinstance(step, TransposedWindow) else "makes outputs of nothing else"
            return f"padding {padding} along {axis}, where the kernel reaches over {reach}, {why}"
    return None
