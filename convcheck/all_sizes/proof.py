"""Proves a claim for all sizes, or finds the smallest at which it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy


from convcheck.all_sizes.axes import Extent, FreeAxis, extent, free_axes
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.exploring import Exploration, Region, TimeIsUp, explore
from convcheck.all_sizes.points import at, smallest
from convcheck.all_sizes.replay import replay, resized, smaller
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import Given, symbol_name
from convcheck.results import Sides, SizesCounterexample, SizesProof, SizesStatus

MOST_TRIES = 16
"""At how many points of a difference torch is asked whether it is one."""
MOST_SMALLER = 500
"""How many sizes below those of a difference are tried in torch, for a smaller one."""

Names = Sequence[Sequence[str]]
"""A name for every axis of every input."""


class ProofContradicted(Exception):  # noqa: N818  # it is a fault of convcheck
    """Both sides were proved equal at sizes at which torch says that they differ."""


def prove(both: Both, names: Names, seconds: float) -> SizesProof:
    """Return what is proved within so many seconds.

    Raises:
        ProofContradicted: torch gives the lie to a proof.
    """
    end = time.monotonic() + seconds

    def check_time() -> None:
        if time.monotonic() > end:
            raise TimeIsUp

    first = _attempt(both, names, True, check_time)
    if first.status is SizesStatus.UNKNOWN and time.monotonic() < end:
        second = _attempt(both, names, False, check_time)
        if second.status is not SizesStatus.UNKNOWN:
            return replace(second, obstacle=first.obstacle)
    return first


def _attempt(both: Both, names: Names, channels: bool, check_time: Callable[[], None]) -> SizesProof:
    try:
        return _Attempt(both, names, channels, check_time).proof()
    except TimeIsUp:
        return SizesProof(SizesStatus.UNKNOWN, obstacle="the time limit")
    except CannotProve as error:
        return SizesProof(SizesStatus.UNKNOWN, obstacle=error.why)


@dataclass
class _Attempt:
    """One attempt, with the channels of weights free or as they are."""

    both: Both
    names: Names
    channels: bool
    check_time: Callable[[], None]

    def proof(self) -> SizesProof:
        given = self.both.given(self.channels)
        try:
            exploration = explore(self.both, given, self.check_time)
        except CannotProve:
            given = self.both.at_home()
            exploration = explore(self.both, given, self.check_time)
        axes = free_axes(exploration.path, self.names, self.both.sides.reference.parameter_axes)
        raises = Sides(*(self._raises(axes, exploration, side) for side in ("reference", "candidate")))
        counterexample = self._counterexample(given, axes, exploration)
        regions = [*exploration.equal, *exploration.different]
        relations = _relations(regions)
        if counterexample is not None:
            return SizesProof(
                SizesStatus.REFUTED, counterexample=counterexample, raises=raises, relations=relations
            )
        if exploration.different and exploration.obstacle is None:
            exploration.obstacle = "the relations differ where torch sees no difference"
        if exploration.obstacle is not None or not exploration.equal:
            return SizesProof(SizesStatus.UNKNOWN, obstacle=exploration.obstacle or "no sizes at which both sides run")
        for region in exploration.equal:
            self._look_again(given, axes, region)
        proved, probed = self._ones(given, axes, exploration)
        if isinstance(proved, SizesCounterexample):
            return SizesProof(SizesStatus.REFUTED, counterexample=proved, raises=raises, relations=relations)
        return SizesProof(
            SizesStatus.PROVED,
            free={name: 1 if name in proved.free else low for name, low in self._extent(axes, exploration).free.items()},
            divisible=self._extent(axes, exploration).divisible,
            fixed=self._extent(axes, exploration).fixed,
            raises=raises,
            probed=probed,
            relations=relations,
        )

    def _extent(self, axes: Sequence[FreeAxis], exploration: Exploration) -> Extent:
        return extent(axes, exploration.equal)

    def _raises(self, axes: Sequence[FreeAxis], exploration: Exploration, side: str) -> str | None:
        """Return the smallest sizes at which one side raises, and the other does not."""
        order = [axis.symbol for axis in axes]
        for which, region in exploration.raising:
            if which == side and (point := smallest(region, order)) is not None:
                return ", ".join(f"{axis.name}={point[axis.symbol]}" for axis in axes if axis.symbol in point)
        return None

    def _counterexample(
        self, given: Sequence[Given], axes: Sequence[FreeAxis], exploration: Exploration
    ) -> SizesCounterexample | None:
        """Return the smallest sizes at which torch shows that the sides differ."""
        best: tuple[int, dict[str, int], SizesCounterexample] | None = None
        for region in exploration.different:
            for point in self._points(axes, region):
                self.check_time()
                found = self._replayed(given, axes, point)
                if found is None:
                    continue
                total = sum(found.sizes.values())
                if best is None or (total, list(found.sizes.values())) < (best[0], list(best[2].sizes.values())):
                    best = (total, dict(point), found)
                break
        return None if best is None else self._smallest(given, axes, exploration, best[2])

    def _points(self, axes: Sequence[FreeAxis], region: Region) -> Iterator[Mapping[str, int]]:
        """Yield the smallest sizes at which relations differ."""
        order = [axis.symbol for axis in axes]
        for difference in region.differences:
            sizes = difference.relation.params().intersect(region.sizes.context)
            for _ in range(MOST_TRIES):
                point = smallest(sizes, order)
                if point is None:
                    break
                yield point
                sizes = sizes.subtract(at({axis.symbol: point[axis.symbol] for axis in axes if axis.symbol in point}))

    def _replayed(
        self, given: Sequence[Given], axes: Sequence[FreeAxis], point: Mapping[str, int]
    ) -> SizesCounterexample | None:
        seen = replay(self.both, resized(given, point))
        if seen.reason is None or seen.at is None:
            return None
        sizes = {axis.name: point[axis.symbol] for axis in axes if axis.symbol in point}
        return SizesCounterexample(sizes, seen.at, seen.reason)

    def _smallest(
        self, given: Sequence[Given], axes: Sequence[FreeAxis], exploration: Exploration, known: SizesCounterexample
    ) -> SizesCounterexample:
        """Return a counterexample at smaller sizes, lengths of 1 included, if torch shows one."""
        world = exploration.path.world(1).region
        lows = {axis.name: 1 for axis in axes}
        symbols = {axis.name: axis.symbol for axis in axes}
        total = sum(known.sizes.values())
        for sizes in smaller(lows, total, MOST_SMALLER):
            self.check_time()
            point = smallest(world.intersect(at({symbols[name]: size for name, size in sizes.items()})), [])
            if point is not None and (found := self._replayed(given, axes, point)) is not None:
                return found
        return known

    def _look_again(self, given: Sequence[Given], axes: Sequence[FreeAxis], region: Region) -> None:
        """Run both sides in torch at the smallest sizes of a region. Raises ProofContradicted where they differ."""
        point = smallest(region.region, [axis.symbol for axis in axes])
        assert point is not None
        seen = replay(self.both, resized(given, point))
        if seen.reason is not None:
            raise ProofContradicted(f"proved equal, but at {dict(point)} {seen.reason}")

    def _ones(
        self, given: Sequence[Given], axes: Sequence[FreeAxis], exploration: Exploration
    ) -> tuple[Extent, tuple[str, ...]] | tuple[SizesCounterexample, tuple[str, ...]]:
        """Prove the batch at length 1, by a trace of its own, and probe the other axes of inputs there."""
        one, probed = exploration.path.world(1).region, []
        proved: dict[str, int] = {}
        for axis in axes:
            if not axis.symbol.startswith("input"):
                continue
            self.check_time()
            others = [f"{other.symbol} >= 2" for other in axes if other != axis]
            text = " and ".join((f"{axis.symbol} = 1", *others))
            point = smallest(one.intersect(_set(axes, text)), [other.symbol for other in axes])
            if point is None:
                continue
            found = self._replayed(given, axes, point)
            if found is not None:
                return self._smallest(given, axes, exploration, found), ()
            if axis.name == self.names[0][0] and self._proved_at_one(axis, exploration):
                proved[axis.name] = 1
            elif replay(self.both, resized(given, point)).both_ran:
                probed.append(f"{axis.name}=1")
        return Extent(proved, {}, {}), tuple(probed)

    def _proved_at_one(self, axis: FreeAxis, exploration: Exploration) -> bool:
        tensor, _, number = axis.symbol.rpartition("_")
        sizes = exploration.path.sizes()
        given = [
            replace(one, varies=tuple(
                free and not sizes.size(sympy.Symbol(symbol_name(one.name, place), integer=True)).is_Integer
                for place, free in enumerate(one.varies)
            ))
            for one in self.both.given(self.channels, {tensor.replace("_", "."): int(number)})
        ]
        try:
            exploration = explore(self.both, given, self.check_time)
        except (CannotProve, TimeIsUp):
            return False
        return bool(exploration.equal) and not exploration.different and exploration.obstacle is None


def _set(axes: Sequence[FreeAxis], text: str) -> object:
    import islpy as isl

    return isl.Set(f"[{', '.join(axis.symbol for axis in axes)}] -> {{ : {text} }}")


def _relations(regions: Sequence[Region]) -> Sides[tuple[str, ...]]:
    """Return what both sides are on the first path, in isl's notation."""
    if not regions:
        return Sides((), ())
    values = regions[0].values
    return Sides(*(tuple(str(piece.relation) for piece in one.pieces) for one in (values.reference, values.candidate)))


