"""Looks for the smallest sizes at which torch shows that two sides differ: no relation alone refutes a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convcheck.all_sizes.axes import FreeAxis, lengths_by_name
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.exploring import Region
from convcheck.all_sizes.points import at, smallest
from convcheck.all_sizes.replay import replay, resized, smaller
from convcheck.all_sizes.trace import Given
from convcheck.results import SizesCounterexample

MOST_TRIES = 16
"""At how many points of a difference torch is asked whether it is one."""
MOST_SMALLER = 500
"""How many sizes below those of a difference are tried in torch, for a smaller one."""


@dataclass(frozen=True)
class Search:
    """Both sides, what their axes are called, and the sizes that are asked about, lengths of 1 among them."""

    both: Both
    given: Sequence[Given]
    axes: Sequence[FreeAxis]
    world: Any
    check_time: Callable[[], None]

    def among(self, regions: Sequence[Region]) -> SizesCounterexample | None:
        """Return the smallest sizes at which torch shows that the sides differ; None if it nowhere does."""
        shown = [found for region in regions if (found := self._first(region)) is not None]
        return self.smallest(min(shown, key=_rank)) if shown else None

    def at(self, point: Mapping[str, int]) -> SizesCounterexample | None:
        """Return how the sides differ at some sizes in torch; None if they do not."""
        seen = replay(self.both, resized(self.given, point))
        if seen.reason is None or seen.at is None:
            return None
        return SizesCounterexample(lengths_by_name(self.axes, point), seen.at, seen.reason)

    def smallest(self, known: SizesCounterexample) -> SizesCounterexample:
        """Return a counterexample at smaller sizes, lengths of 1 included, if torch shows one."""
        symbols = {axis.name: axis.symbol for axis in self.axes}
        for sizes in smaller(dict.fromkeys(symbols, 1), sum(known.sizes.values()), MOST_SMALLER):
            self.check_time()
            point = smallest(self.world.intersect(at({symbols[name]: size for name, size in sizes.items()})), [])
            if point is not None and (found := self.at(point)) is not None:
                return found
        return known

    def _first(self, region: Region) -> SizesCounterexample | None:
        for point in self._points(region):
            self.check_time()
            if (found := self.at(point)) is not None:
                return found
        return None

    def _points(self, region: Region) -> Iterator[Mapping[str, int]]:
        """Yield the smallest sizes at which relations differ."""
        order = [axis.symbol for axis in self.axes]
        for difference in region.differences:
            sizes = difference.relation.params().intersect(region.sizes.context)
            for _ in range(MOST_TRIES):
                point = smallest(sizes, order)
                if point is None:
                    break
                yield point
                sizes = sizes.subtract(at({name: point[name] for name in order if name in point}))


def _rank(one: SizesCounterexample) -> tuple[int, list[int]]:
    return sum(one.sizes.values()), list(one.sizes.values())
