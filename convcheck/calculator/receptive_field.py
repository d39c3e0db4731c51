"""Receptive fields through chains of layers: which positions of the input an output depends on, along every axis.

Formulas: A. Araujo, W. Norris and J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019:
a layer adds (span - 1) * jump to the field, and multiplies the jump by its stride. A transposed layer divides the jump
by its stride; which positions its outputs read differs from one to the next, so they are followed, and the most counts.

An output position is all channels at one place, so what mixes channels mixes whatever was moved into them. Which axes
of the input are spatial is said by the first layer that has such axes; for attention it is the sequence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from convcheck.calculator.inverse.ranges import joined
from convcheck.layers.base import Layer
from convcheck.sizes.axis_origins import AxisOrigins
from convcheck.sizes.limits import MAX_PHASES, MAX_RUNS
from convcheck.sizes.patterns import Shape, Shapes
from convcheck.sizes.windows import Step, TransposedWindow, Window, span

Run = tuple[int, int]
"""From the first to the last of neighbouring positions."""


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
    origins = AxisOrigins([((axis, ()),) for axis in range(len(start))], spatial)
    for layer, shapes in zip(layers, inputs, strict=True):
        for leaf, taken in layer.leaves_with_inputs(*shapes):
            leaf.trace_axes(origins, *taken)
        yield tuple(_receptive_field(origins, axis, start) for axis in sorted(spatial))


def _spatial(layers: Sequence[Layer], inputs: Sequence[Shapes], rank: int) -> frozenset[int]:
    origins = AxisOrigins([((axis, ()),) for axis in range(rank)])
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
    return ReceptiveField(field(paths[0]), jump(paths[0]))


class _TooManyError(Exception):
    """There are more runs of positions than are followed."""


def jump(path: Iterable[Step]) -> Fraction:
    """Return how far apart, in positions of the input, the windows of two neighbouring outputs begin."""
    return math.prod((_jump(step) for step in path), start=Fraction(1))


def _jump(step: Step) -> Fraction:
    return Fraction(1, step.stride) if isinstance(step, TransposedWindow) else Fraction(step.stride)


def field(path: Iterable[Step]) -> int:
    """Return the receptive field: from the first to the last input that an output depends on, both counted.

    It is the largest of any output far from the borders. Where the pattern repeats after hundreds of outputs only, or
    is of thousands of holes, it may be less than what is returned.
    """
    steps = list(path)
    period = _period(steps)
    if all(isinstance(step, Window) for step in steps) or period > MAX_PHASES:
        # Of windows alone, this is no bound but the number itself: all of them have a first and a last tap.
        return _at_most(steps)
    try:
        parts = [0]
        return max(_read(steps, phase, parts) for phase in range(period))
    except _TooManyError:
        return _at_most(steps)


def _period(steps: Sequence[Step]) -> int:
    """Return after how many outputs the inputs that are read have the same pattern again."""
    period, distance = 1, Fraction(1)
    for step in reversed(steps):
        distance *= _jump(step)
        period = math.lcm(period, distance.denominator)
    return period


def _read(steps: Sequence[Step], output: int, parts: list[int]) -> int:
    """Return how many positions lie from the first to the last that one output reads; `parts` counts the runs."""
    runs: Sequence[Run] = [(output, output)]
    for step in reversed(steps):
        inputs: list[Run] = []
        for run in runs:
            through = _through_window(step, run) if isinstance(step, Window) else _through_transposed(step, run)
            for read in through:
                inputs.append(read)
                parts[0] += 1
                if parts[0] > MAX_RUNS:
                    raise _TooManyError
        runs = joined(inputs)
    return runs[-1][1] - runs[0][0] + 1 if runs else 0


def _through_window(step: Window, run: Run) -> Iterator[Run]:
    """Yield the inputs that neighbouring outputs read: output m reads s*m + d*k - p."""
    first, last = (step.stride * end - step.before for end in run)
    if step.dilation == 1 and (step.kernel >= step.stride or first == last):
        yield first, last + step.kernel - 1
    elif step.stride == 1:
        yield from ((first + tap, last + tap) for tap in _taps(step))
    else:
        yield from ((start + tap, start + tap) for start in range(first, last + 1, step.stride) for tap in _taps(step))


def _through_transposed(step: TransposedWindow, run: Run) -> Iterator[Run]:
    """Yield the inputs that neighbouring outputs read: output m reads all n with s*n + d*k - p = m."""
    if step.dilation == 1:
        ends = [(run[0] + step.padding - step.kernel + 1, run[1] + step.padding)]
    else:
        ends = [(run[0] + step.padding - tap, run[1] + step.padding - tap) for tap in _taps(step)]
    for low, high in ends:
        first, last = -(-low // step.stride), high // step.stride
        if first <= last:
            yield first, last


def _taps(step: Step) -> range:
    if step.kernel > MAX_RUNS:
        raise _TooManyError
    return range(0, step.dilation * step.kernel, step.dilation)


def _at_most(steps: Sequence[Step]) -> int:
    """Return an upper bound, from the spans and strides of the steps alone."""
    width = 0
    for step in reversed(steps):
        reach = span(step.kernel, step.dilation) - 1
        width = step.stride * width + reach if isinstance(step, Window) else (width + reach) // step.stride
    return width + 1
