"""Which trailing positions of an input no output reads, along every spatial axis and through all layers of a chain.

A stride skips some at the end, what follows may skip outputs, and windows may lie on nothing but padding. So positions
are followed, from the last one on, until one reaches an output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import cast

from convcheck.layers.base import Layer
from convcheck.sizes.lengths import Length, UndecidedError, as_formula
from convcheck.sizes.limits import MAX_FOLLOWED
from convcheck.sizes.patterns import Shape, Shapes
from convcheck.sizes.windows import Step, TransposedWindow, Window, span


def unread_inputs(layer: Layer, *shapes: Shape) -> Shape:
    """Return, for every spatial axis, how many trailing input positions no output ever reads.

    Raises:
        ShapeError: the layer cannot take inputs of these shapes.
        UndecidedError: it depends on what names stand for, takes too long, or positions are moved and some then unread.
    """
    layer.output_shape(*shapes)
    leaves = [(leaf, taken) for leaf, taken in layer.leaves_with_inputs(*shapes) if not leaf.ANY_SHAPE]
    if not leaves:
        return ()
    first, taken = leaves[0]
    space = first.space(*taken)
    followed = list(takewhile(lambda leaf: leaf[0].space(*leaf[1]) == space and leaf[0].axis_windows(*leaf[1]), leaves))
    if any(any(unread_inputs(leaf, *inputs)) for leaf, inputs in leaves[len(followed) or 1 :]):
        raise UndecidedError("which positions are never read is not known where they are moved")
    if not followed:
        return (0,) * len(space) if first.dims else ()
    return tuple(_unread(passages) for passages in zip(*map(_passages, followed), strict=True))


@dataclass(frozen=True)
class _Passage:
    """One layer along one axis, with the lengths of its input and output; `fill` is what its padding holds."""

    step: Step
    fill: str | None
    length: int
    outputs: int

    def readers(self, position: int) -> Iterable[int]:
        """Return the outputs that read a position of the input, some of them twice; _NONE for every look in vain."""
        if isinstance(self.step, Window):
            return self._window_readers(position, self.step)
        first, dilation = self.step.stride * position - self.step.padding, self.step.dilation
        # A remainder of Python is never negative, so a first output before the start moves on by whole taps.
        start, stop = first if first >= 0 else first % dilation, first + dilation * self.step.kernel
        return range(start, min(stop, self.outputs), dilation)

    def _window_readers(self, position: int, window: Window) -> Iterator[int]:
        for place in self._places(position, window):
            # A place that no window reaches takes time, too.
            yield _NONE
            yield from self._over(place, window)

    def _places(self, position: int, window: Window) -> Iterator[int]:
        """Yield where in the padded input the position stands: once itself, and as its copies."""
        before, length, end = window.before, self.length, window.before + self.length
        yield before + position
        if self.fill == "circular":
            yield from (place for place in (before + position - length,) if place >= 0)
            yield from (place for place in (end + position,) if place < end + window.after)
        elif self.fill == "reflect":
            yield from (place for place in (before - position,) if 0 <= place < before)
            yield from (place for place in (2 * (end - 1) - before - position,) if end <= place < end + window.after)
        elif self.fill == "replicate":
            yield from range(before) if position == 0 else ()
            yield from range(end, end + window.after) if position == length - 1 else ()

    def _over(self, place: int, window: Window) -> Iterator[int]:
        """Yield the windows with a tap at a place of the padded input; -1 where a window has none there."""
        first = max(0, -(-(place - span(window.kernel, window.dilation) + 1) // window.stride))
        for output in range(first, min(self.outputs - 1, place // window.stride) + 1):
            yield output if (place - output * window.stride) % window.dilation == 0 else _NONE


_NONE = -1


def _passages(leaf: tuple[Layer, Shapes]) -> list[_Passage]:
    """Return a layer along each of its spatial axes."""
    layer, (shape,) = leaf
    output = layer.output_shape(shape)
    axes = zip(layer.space(shape), layer.axis_windows(shape), strict=True)
    # Places of windows may be one axis of the output.
    merged = len(output) != len(shape)
    return [
        _Passage(step, layer.padding_fill(), shape[axis], step.outputs(shape[axis]) if merged else output[axis])
        for axis, step in axes
    ]


def _unread(passages: Sequence[_Passage]) -> int:
    """Return how many trailing positions of the first layer's input reach no output of the last one."""
    if any(as_formula(passage.length) is not None for passage in passages):
        return _by_formula(passages)
    unread: set[tuple[int, int]] = set()
    length, looked = passages[0].length, 0
    for lost in range(length):
        # Depth first; `unread` are positions that are known to reach no output.
        path = [((0, length - 1 - lost), iter(passages[0].readers(length - 1 - lost)))]
        while path:
            (number, position), onward = path[-1]
            looked += 1
            if looked > MAX_FOLLOWED:
                raise UndecidedError("which positions are never read takes too long to find out")
            output = next(onward, None)
            if output is None:
                unread.add((number, position))
                path.pop()
            elif output != _NONE and number + 1 == len(passages):
                return lost
            elif output != _NONE and (number + 1, output) not in unread:
                path.append(((number + 1, output), iter(passages[number + 1].readers(output))))
    return length


def _by_formula(passages: Sequence[_Passage]) -> int:
    """Return the same where lengths are formulas and the last output always reads the last position that is read."""
    lost: int = 0
    for passage in reversed(passages):
        step = passage.step
        if isinstance(step, TransposedWindow):
            alone = len(passages) == 1 or not (lost or step.output_padding or step.dilation > 1)
            if step.padding or not alone:
                raise UndecidedError(f"how many positions are never read depends on {passage.length}")
            continue
        # Without padding behind, the last tap of the last output reads furthest; with it, if taps leave no holes.
        furthest = not step.after or (step.dilation == 1 and step.kernel > step.after and not lost)
        if len(passages) > 1 and (not furthest or passage.fill not in (None, "zeros", "-inf")):
            raise UndecidedError(f"how many positions are never read depends on {passage.length}")
        behind = _left_over(step, cast("Length", passage.length), passage.outputs)
        if len(passages) == 1:
            return behind
        lost = cast("int", cast("Length | int", behind) + cast("Length | int", lost) * step.stride)
    return lost


def _left_over(window: Window, length: Length, outputs: int) -> int:
    """Return how many positions are behind the last window. Raises UndecidedError where no one formula tells."""
    all_windows = outputs == window.outputs(cast("int", length))
    if all_windows and window.dilation == 1 and window.kernel >= window.stride <= window.after + 1:
        return 0
    if window.before or window.after or not all_windows:
        raise UndecidedError(f"how many positions are never read depends on {length}")
    return cast("int", (length - span(window.kernel, window.dilation)) % window.stride)
