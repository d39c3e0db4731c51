"""Says where one side raises and the other does not: as a condition on sizes where a short one says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import islpy as isl

from convcheck.all_sizes.axes import Extent, FreeAxis, lengths_by_name
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.points import as_tuples, at, multiples, smallest
from convcheck.all_sizes.regions import Exploration
from convcheck.all_sizes.replay import replay, resized
from convcheck.all_sizes.trace import Given
from convcheck.all_sizes.wording import Words
from convcheck.results import Sides

MOST_TRIES = 6
"""At how many sizes at which one side raises the other is run."""
MOST_CONDITIONS = 3


@dataclass(frozen=True)
class Raising:
    """Where sides raise alone among sizes that are asked about, as far as it was explored."""

    both: Both
    given: Sequence[Given]
    axes: Sequence[FreeAxis]
    exploration: Exploration
    asked: Any

    def sides(self) -> Sides[str | None]:
        """Return for each side where it raises alone."""
        return Sides(self._side("reference", "candidate"), self._side("candidate", "reference"))

    def _side(self, side: str, other: str) -> str | None:
        where = isl.Set("{ : false }")
        for which, region in self.exploration.raising:
            if which == side:
                where = where.union(region)
        where = where.intersect(self.asked)
        tried = list(self._tried(where))
        alone = [point for point, raised in tried if raised[side] and not raised[other]]
        if not alone:
            return None
        # At others it may raise together with the other one.
        return self.said(where) if len(alone) == len(tried) else self._such_as(alone[0])

    def said(self, where: Any) -> str | None:
        """Return which sizes those of a set are, or the smallest of them; None where it is empty."""
        point = smallest(where, [axis.symbol for axis in self.axes])
        if point is None:
            return None
        text = self._condition(where)
        return self._such_as(point) if text is None else f"where {text}"

    def _such_as(self, point: Mapping[str, int]) -> str:
        sizes = " ".join(f"{name}={size}" for name, size in lengths_by_name(self.axes, point).items())
        return f"such as at {sizes}"

    def _tried(self, where: Any) -> Iterator[tuple[Mapping[str, int], dict[str, bool]]]:
        """Yield the smallest sizes of a set, and which side raises there in torch."""
        order = [axis.symbol for axis in self.axes]
        for _ in range(MOST_TRIES):
            point = smallest(where, order)
            if point is None:
                return
            raised = replay(self.both, resized(self.given, point)).raised
            yield point, {"reference": raised.reference is not None, "candidate": raised.candidate is not None}
            where = where.subtract(at({name: point[name] for name in order if name in point}))

    def _condition(self, where: Any) -> str | None:
        """Return what tells sizes from the others that are asked about; None where it takes many words."""
        inside, outside = self._of_axes(where), self._of_axes(self.asked)
        direct = self._conjunction(inside, outside)
        if direct is not None:
            return " and ".join(direct)
        others = self._conjunction(outside.subtract(inside), outside, negated=True)
        return None if others is None else " or ".join(others)

    def _of_axes(self, sizes: Any) -> Any:
        """Return a set of sizes as tuples of those of the axes."""
        return as_tuples(sizes, [axis.symbol for axis in self.axes])

    def _conjunction(self, sizes: Any, outside: Any, negated: bool = False) -> list[str] | None:
        """Return the conditions that all have to hold, or what denies each; None where more than a few would."""
        plain = sizes.coalesce().gist(outside).compute_divs().coalesce()
        parts = plain.get_basic_sets()
        if len(parts) != 1:
            return None
        words = Words(self.exploration.path.sizes(), [axis.name for axis in self.axes])
        texts = sorted(set(words.conditions(parts[0], negated)))
        return texts if 0 < len(texts) <= MOST_CONDITIONS else None


def raised_alone(
    both: Both, given: Sequence[Given], axes: Sequence[FreeAxis], exploration: Exploration, found: Extent | None
) -> tuple[Sides[str | None], str | None]:
    """Return for each side where it raises and the other does not, and where both do not run within an extent."""
    symbols = {axis.name: axis.symbol for axis in axes}
    fixed = {symbols[name]: size for name, size in found.fixed.items() if name in symbols} if found else {}
    asked = exploration.world.intersect(at(fixed))
    raised = Raising(both, given, axes, exploration, asked).sides()
    if found is None:
        return raised, None
    for name, low in found.free.items():
        asked = asked.intersect(multiples(symbols[name], found.divisible.get(name, 1), low))
    left = asked
    for region in exploration.equal:
        left = left.subtract(region.region)
    return raised, Raising(both, given, axes, exploration, asked).said(left)
