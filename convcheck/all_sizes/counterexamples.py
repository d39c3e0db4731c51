"""Looks for the smallest sizes at which torch shows that two sides differ: no relation alone refutes a claim."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from convcheck.all_sizes import budget
from convcheck.all_sizes.axes import FreeAxis, lengths_by_name
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.exploring import holds
from convcheck.all_sizes.points import at, smallest
from convcheck.all_sizes.regions import Exploration, Region
from convcheck.all_sizes.replay import DRAWS, replay, resized, smaller
from convcheck.all_sizes.trace import INPUT, SMALLEST, Given, Path, lengths_of
from convcheck.errors import ConvcheckError
from convcheck.results import SizesCounterexample

LARGEST_SWEPT, SWEEP_SECONDS = 48, 3.0
"""Up to which length each axis is tried by itself where nothing is proved, and for how long."""
MOST_TRIES = 16
"""At how many points of a difference torch is asked whether it is one."""
MOST_UNREAD = 200
"""The same, where conditions that are no relations pick few of them."""
MOST_SMALLER = 500
"""How many sizes below those of a difference are tried in torch, for a smaller one."""
MOST_PAIRS = 700
"""The same, of sizes of which two are others."""


@dataclass(frozen=True)
class Search:
    """Both sides, what their axes are called, and the sizes that are asked about, lengths of 1 among them."""

    both: Both
    given: Sequence[Given]
    axes: Sequence[FreeAxis]
    world: Any
    path: Path
    made_for: set[str] = field(default_factory=set)
    """The lengths for which a candidate is made: it is another one at others, and right there."""

    def among(self, exploration: Exploration) -> SizesCounterexample | None:
        """Return the smallest sizes at which torch shows that the sides differ; None if it nowhere does."""
        shown = [self.at(point) for point in exploration.shown]
        shown += [self._first(region) for region in exploration.different]
        known = [one for one in shown if one is not None]
        return self.smallest(min(known, key=_rank)) if known else None

    def sweep(self) -> SizesCounterexample | None:
        """Return a counterexample among sizes beside the claim's own and the smallest, if torch shows one soon.

        One length is another there, or two are, as where a table of weights has to be as long as an input. One draw a
        size is enough, since what is wrong from some length on is so at many.
        """
        own = {symbol: size for one in self.given for symbol, size in lengths_of(one).items()}
        at_home = {axis.name: own[axis.symbol] for axis in self.axes}
        lows = dict.fromkeys(at_home, SMALLEST)
        end = time.monotonic() + SWEEP_SECONDS
        for sizes, together in ((lows, 1), (at_home, 1), (lows, 2)):
            for size, names in itertools.product(
                range(SMALLEST, LARGEST_SWEPT), itertools.combinations(lows, together)
            ):
                if time.monotonic() > end:
                    break
                if (found := self._named({**sizes, **dict.fromkeys(names, size)}, draws=1)) is not None:
                    return self.smallest(found)
        # Of many axes time may be over before it comes to the claim's own sizes.
        found = self._named(at_home)
        return None if found is None else self.smallest(found)

    def at(self, point: Mapping[str, int], draws: int = DRAWS, ramps: bool = False) -> SizesCounterexample | None:
        """Return how the sides differ at some sizes in torch; None if they do not."""
        try:
            given = resized(self.given, point)
        except budget.TooLarge:
            return None
        seen = replay(self.both, given, draws=draws, ramps=ramps)
        if seen.reason is None or seen.at is None or self._holds_remade(point):
            return None
        return SizesCounterexample(lengths_by_name(self.axes, point), seen.at, seen.reason, seen.shapes)

    def _holds_remade(self, point: Mapping[str, int]) -> bool:
        """Tell whether the sides are equal with the candidate that is made for inputs as long as these.

        Their channels are those that the layer has, and the candidate is made for.
        """
        if self.both.remake is None:
            return False
        home, changed = self.both.at_home(channels=False), {}
        for axis in self._beside_weights():
            if point.get(axis, 0) > 0:
                changed[axis] = point[axis]
        given = resized(home, changed)
        shapes = tuple(one.shape for one in given if one.name.startswith(INPUT))
        try:
            seen = replay(self.both.remade(shapes), given)
        except ConvcheckError:
            return True
        same = seen.both_ran and seen.reason is None
        if same:
            self.made_for.update(changed)
        return same

    def _beside_weights(self) -> list[str]:
        """Return the lengths of inputs that no weight has."""
        sizes, weights = self.path.world(), set()
        for tensor, lengths in self.path.lengths.items():
            if not tensor.startswith(INPUT):
                weights |= {symbol for length in lengths for symbol in sizes.size(length).free_symbols}
        inputs = (length for name, shape in self.path.lengths.items() if name.startswith(INPUT) for length in shape)
        return [str(one) for one in inputs if one.is_Symbol and not sizes.size(one).free_symbols & weights]

    def smallest(self, known: SizesCounterexample) -> SizesCounterexample:
        """Return a counterexample at smaller sizes, if torch shows one: lengths of 1 are on no path."""
        end = time.monotonic() + SWEEP_SECONDS
        for name in known.sizes:
            # One axis after the other is quick, and mostly all: only what is left is searched.
            if known.sizes[name] > 1 and (found := self._named({**known.sizes, name: 1}, ramps=True)) is not None:
                known = found
        ones = sorted(_with_ones(known.sizes), key=_order)
        pairs = itertools.islice(_two_shorter(known.sizes), MOST_PAIRS)
        for sizes in (*ones, *pairs, *smaller(dict.fromkeys(known.sizes, 1), _sum(known), MOST_SMALLER)):
            if time.monotonic() > end:
                break
            if _order(sizes) < _rank(known) and (found := self._named(sizes, ramps=True)) is not None:
                known = found
        return known

    def _named(self, sizes: Mapping[str, int], draws: int = DRAWS, ramps: bool = False) -> SizesCounterexample | None:
        """Return how the sides differ at sizes by the names of axes; None if they do not, or cannot be so large."""
        # Each size is a step of its own: that many are tried may not end a search that has found some.
        budget.begin_step()
        symbols = {axis.name: axis.symbol for axis in self.axes}
        point = smallest(self.world.intersect(at({symbols[name]: size for name, size in sizes.items()})), [])
        return None if point is None else self.at(point, draws, ramps)

    def _first(self, region: Region) -> SizesCounterexample | None:
        for point in self._points(region):
            budget.check_time()
            if (found := self.at(point)) is not None:
                return found
        return None

    def _points(self, region: Region) -> Iterator[Mapping[str, int]]:
        """Yield the smallest sizes at which relations differ, and conditions hold that are no relations."""
        order = [axis.symbol for axis in self.axes]
        for difference in region.differences:
            sizes = difference.sizes.intersect(region.sizes.context)
            tries = MOST_UNREAD if region.sizes.unread else MOST_TRIES
            for _ in range(tries):
                budget.check_time()
                point = smallest(sizes, order)
                if point is None:
                    break
                if all(holds(condition, point) for condition in region.sizes.unread):
                    yield point
                sizes = sizes.subtract(at({name: point[name] for name in order if name in point}))


def _with_ones(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield sizes with some of them, and in the end all, 1."""
    names = list(sizes)
    for count in range(1, len(names) + 1):
        for ones in itertools.combinations(names, count):
            yield {**sizes, **dict.fromkeys(ones, 1)}


def _two_shorter(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield sizes of no larger sum, of which two are others, in order: one may be longer where the other is shorter."""

    def others(one: str, other: str) -> Iterator[dict[str, int]]:
        # One comes before the other among sizes, so that these are in order.
        for together in range(2, sizes[one] + sizes[other] + 1):
            yield from ({**sizes, one: first, other: together - first} for first in range(1, together))

    # A length may be in the thousands, and all pairs of such ones do not fit into memory.
    return heapq.merge(*itertools.starmap(others, itertools.combinations(sizes, 2)), key=_order)


def _sum(one: SizesCounterexample) -> int:
    return sum(one.sizes.values())


def _order(sizes: Mapping[str, int]) -> tuple[int, list[int]]:
    return sum(sizes.values()), list(sizes.values())


def _rank(one: SizesCounterexample) -> tuple[int, list[int]]:
    return _order(one.sizes)
