"""Which trailing positions of a chain's input no output reads, along one axis and through all of its layers.

A layer by itself knows that in numbers (see `arithmetic`). In a chain it depends on which outputs of a layer the next
one reads: a stride skips some, and windows may lie on nothing but padding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from convcheck.sizes.lengths import Length, UndecidedError, as_formula
from convcheck.sizes.windows import TransposedWindow, Window

_MOST = 200_000
"""Positions that are looked at, of all layers, before it is given up."""


class _Effort:
    """Counts what is looked at. Raises UndecidedError once it is too much."""

    def __init__(self) -> None:
        self.spent = 0

    def on(self, positions: Iterable[int]) -> Iterator[int]:
        for each in positions:
            self.spent += 1
            if self.spent > _MOST:
                raise UndecidedError("which positions are never read takes too long to find out")
            yield each


@dataclass(frozen=True)
class Passage:
    """One layer along one axis, with the lengths of its input and output; `mode` is how it pads."""

    step: Window | TransposedWindow
    mode: str
    length: int
    outputs: int

    def readers(self, at: int, effort: _Effort) -> Iterator[int]:
        """Yield the outputs that read a position of the input; some of them twice."""
        if isinstance(self.step, TransposedWindow):
            first, dilation = self.step.stride * at - self.step.padding, self.step.dilation
            # A remainder of Python is never negative, so a first output before the start moves on by whole taps.
            start, stop = first if first >= 0 else first % dilation, first + dilation * self.step.kernel
            yield from effort.on(range(start, min(stop, self.outputs), dilation))
            return
        for place in effort.on(self._places(at, self.step)):
            yield from effort.on(self._windows_over(place, self.step))

    def _places(self, at: int, window: Window) -> Iterator[int]:
        """Yield where in the padded input the position stands: once itself, and as its copies."""
        before, length, after = window.before, self.length, window.after
        yield before + at
        if self.mode == "circular":
            yield from (place for place in (before + at - length,) if place >= 0)
            yield from (place for place in (before + at + length,) if place < before + length + after)
        elif self.mode == "reflect":
            yield from (place for place in (before - at,) if 0 <= place < before)
            last = before + length - 1
            yield from (place for place in (2 * last - before - at,) if last < place <= last + after)
        elif self.mode == "replicate":
            yield from range(before) if at == 0 else ()
            yield from range(before + length, before + length + after) if at == length - 1 else ()

    def _windows_over(self, place: int, window: Window) -> range:
        first = max(0, -(-(place - window.dilation * (window.kernel - 1)) // window.stride))
        last = min(self.outputs - 1, place // window.stride)
        # A tap of window w is there where w*s leaves the remainder of the place by d; of such w, every d/gcd(s, d)-th.
        shared = math.gcd(window.stride, window.dilation)
        if place % shared:
            return range(0)
        apart = window.dilation // shared
        one = place // shared * pow(window.stride // shared, -1, apart)
        return range(first + (one - first) % apart, last + 1, apart)


def unread(passages: Sequence[Passage]) -> int:
    """Return how many trailing positions of the first layer's input reach no output of the last one.

    Raises:
        UndecidedError: it depends on what names stand for, or it would take too long to find out.
    """
    if any(as_formula(each.length) is not None for each in passages):
        return _by_formula(passages)
    dead: set[tuple[int, int]] = set()
    effort = _Effort()
    length = passages[0].length
    for at in effort.on(reversed(range(length))):
        if _arrives(passages, at, dead, effort):
            return length - 1 - at
    return length


def _arrives(passages: Sequence[Passage], start: int, dead: set[tuple[int, int]], effort: _Effort) -> bool:
    """Tell whether a position reaches an output, depth first; `dead` are those that are known not to."""
    path: list[tuple[tuple[int, int], Iterator[int]]] = [((0, start), passages[0].readers(start, effort))]
    while path:
        here, onward = path[-1]
        for output in onward:
            there = (here[0] + 1, output)
            if there[0] == len(passages):
                return True
            if there not in dead:
                path.append((there, passages[there[0]].readers(output, effort)))
                break
        else:
            dead.add(here)
            path.pop()
    return False


def _by_formula(passages: Sequence[Passage]) -> int:
    """Return the same where lengths are formulas and the last output always reads the last position that is read."""
    lost: int = 0
    for each in reversed(passages):
        step = each.step
        if isinstance(step, TransposedWindow):
            if lost or step.padding or step.output_padding or step.dilation > 1:
                raise UndecidedError(f"how many positions are never read depends on {each.length}")
            continue
        # Without padding behind, the last tap of the last output reads furthest; with it, if taps leave no holes.
        furthest = not step.after or (step.dilation == 1 and step.kernel > step.after and not lost)
        if not furthest or each.mode != "zeros":
            raise UndecidedError(f"how many positions are never read depends on {each.length}")
        own = step.dropped(each.length, each.outputs, each.mode)
        lost = cast("int", cast("Length | int", own) + cast("Length | int", lost) * step.stride)
    return lost
