"""Proves a claim for all sizes, or finds the smallest at which it fails."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from convcheck.all_sizes.axes import Extent, FreeAxis, extent, fixed_channels, free_axes
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.certificate import Certificate, graph_text
from convcheck.all_sizes.counterexamples import Search
from convcheck.all_sizes.exploring import Exploration, Region, TimeIsUp, explore
from convcheck.all_sizes.notation import Notation
from convcheck.all_sizes.points import at, at_least, smallest
from convcheck.all_sizes.raising import raised_alone
from convcheck.all_sizes.replay import replay, resized
from convcheck.all_sizes.second_look import Look, look_again
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import INPUT, Given, symbol, symbol_name
from convcheck.results import Sides, SizesCounterexample, SizesProof, SizesStatus

Names = Sequence[Sequence[str]]
"""A name for every axis of every input."""


def prove(both: Both, names: Names, seconds: float, about: Mapping[str, str] | None = None) -> SizesProof:
    """Return what is proved within so many seconds; `about` has what the certificate says of the claim, by headings.

    Raises:
        ProofContradicted: torch gives the lie to a proof.
    """
    end = time.monotonic() + seconds

    def check_time() -> None:
        if time.monotonic() > end:
            raise TimeIsUp

    first = _attempt(_Attempt(both, names, True, check_time, about or {}))
    if first.status is SizesStatus.UNKNOWN and time.monotonic() < end:
        second = _attempt(_Attempt(both, names, False, check_time, about or {}, first.obstacle))
        if second.status is not SizesStatus.UNKNOWN:
            return second
    return first


def _attempt(attempt: _Attempt) -> SizesProof:
    try:
        return attempt.proof()
    except TimeIsUp:
        return SizesProof(SizesStatus.UNKNOWN, obstacle="the time limit")
    except CannotProve as error:
        return SizesProof(SizesStatus.UNKNOWN, obstacle=error.why)


@dataclass
class _Attempt:
    """One attempt, with the channels of weights free or as they are; `obstacle` says why they are not free."""

    both: Both
    names: Names
    channels: bool
    check_time: Callable[[], None]
    about: Mapping[str, str]
    obstacle: str | None = None
    given: Sequence[Given] = field(init=False)

    def proof(self) -> SizesProof:
        """Return what comes of it. Raises CannotProve, TimeIsUp and ProofContradicted."""
        counterexample = self.search.among(self.exploration)
        if counterexample is None and self.exploration.obstacle is not None:
            counterexample = self.search.sweep()
        if counterexample is not None:
            return self._refuted(counterexample)
        self._check_proved()
        looks = [look for region in self.exploration.equal for look in self._looks(region)]
        ones, probed = self._ones()
        if isinstance(ones, SizesCounterexample):
            return self._refuted(ones)
        return self._proved(ones, probed, looks)

    @cached_property
    def exploration(self) -> Exploration:
        """What is known of all sizes."""
        self.given = self.both.given(self.channels)
        try:
            exploration = explore(self.both, list(self.given), self.check_time)
            if exploration.equal or exploration.different or exploration.shown:
                return exploration
        except CannotProve:
            pass
        self.given = self.both.at_home()
        return explore(self.both, list(self.given), self.check_time)

    @cached_property
    def axes(self) -> Sequence[FreeAxis]:
        return free_axes(self.exploration.path, self.names, self.both.sides.reference.parameter_axes)

    @cached_property
    def search(self) -> Search:
        world = self.exploration.path.world(1).region
        return Search(self.both, self.given, self.axes, world, self.check_time)

    def _check_proved(self) -> None:
        """Check that both sides are equal wherever both run. Raises CannotProve."""
        if self.exploration.obstacle is not None:
            raise CannotProve(self.exploration.obstacle)
        if self.exploration.different:
            raise CannotProve("the relations differ where torch sees no difference")
        if not self.exploration.equal:
            raise CannotProve("no sizes at which both sides run")

    def _looks(self, region: Region) -> Sequence[Look]:
        self.check_time()
        seed = zlib.crc32(graph_text(region.trace.graph).encode())
        return list(look_again(self.both, self.given, self.axes, region, seed))

    def _refuted(self, counterexample: SizesCounterexample) -> SizesProof:
        return SizesProof(
            SizesStatus.REFUTED, counterexample=counterexample, raises=self._raises(None), relations=self._relations()
        )

    def _proved(self, ones: Sequence[str], probed: Sequence[str], looks: Sequence[Look]) -> SizesProof:
        found = extent(self.axes, self.exploration.equal)
        parameters = self.both.sides.reference.parameter_axes
        further = fixed_channels(self.exploration.path, self.axes, self.both.given(), parameters)
        proof = SizesProof(
            SizesStatus.PROVED,
            free={name: 1 if name in ones else low for name, low in found.free.items()},
            divisible=found.divisible,
            fixed={**self._fixed_inputs(), **found.fixed, **further},
            obstacle=self.obstacle,
            raises=self._raises(found),
            probed=tuple(probed),
            relations=self._relations(),
        )
        return replace(
            proof, certificate=Certificate(self.about, self.both, self.axes, self.exploration, proof, looks).text()
        )

    def _fixed_inputs(self) -> dict[str, int]:
        """Return the lengths of inputs that are numbers in all traces, by the names of axes."""
        lengths = self.exploration.path.lengths
        inputs = [zip(names, lengths[f"{INPUT}{n}"], strict=True) for n, names in enumerate(self.names)]
        return {name: int(length) for pairs in inputs for name, length in pairs if length.is_Integer}

    def _raises(self, found: Extent | None) -> Sides[str | None]:
        return raised_alone(self.both, self.given, self.axes, self.exploration, found)

    def _relations(self) -> Sides[tuple[str, ...]]:
        """Return what both sides are on the first path, in index notation."""
        region = next(iter((*self.exploration.equal, *self.exploration.different)), None)
        return Sides((), ()) if region is None else Notation(self.both, self.axes, region).sides()

    def _ones(self) -> tuple[Sequence[str] | SizesCounterexample, Sequence[str]]:
        """Prove the batch at length 1, by a trace of its own, and probe the other axes of inputs there."""
        proved, probed = [], []
        for axis in self.axes:
            point = self._point_at_one(axis)
            if point is None:
                continue
            try:
                self.check_time()
            except TimeIsUp:
                # What is proved stays so.
                break
            if (found := self.search.at(point)) is not None:
                return self.search.smallest(found), ()
            if axis.name == self.names[0][0] and self._is_proved_at_one(axis):
                proved.append(axis.name)
            elif replay(self.both, resized(self.given, point)).both_ran:
                probed.append(f"{axis.name}=1")
        return proved, probed

    def _point_at_one(self, axis: FreeAxis) -> Mapping[str, int] | None:
        """Return the smallest sizes at which an axis of an input alone is 1 long; None if there are none."""
        if not axis.symbol.startswith(symbol_name("input")):
            return None
        order = [other.symbol for other in self.axes]
        here = self.search.world.intersect(at({axis.symbol: 1}))
        for other in order:
            if other != axis.symbol:
                here = here.intersect(at_least(other, 2))
        return smallest(here, order)

    def _is_proved_at_one(self, axis: FreeAxis) -> bool:
        """Tell whether both sides are equal at length 1 of an axis, for all sizes of the others."""
        tensor, _, number = axis.symbol.rpartition("_")
        one = {tensor.replace("_", "."): int(number)}
        given = [self._as_fixed(tensor) for tensor in self.both.given(self.channels, one)]
        try:
            exploration = explore(self.both, given, self.check_time)
        except (CannotProve, TimeIsUp):
            return False
        return bool(exploration.equal) and not exploration.different and exploration.obstacle is None

    def _as_fixed(self, one: Given) -> Given:
        """Return a tensor whose axes do not vary where the code fixes them."""
        sizes = self.exploration.path.sizes()
        fixed = [sizes.size(symbol(symbol_name(one.name, axis))).is_Integer for axis, _ in enumerate(one.varies)]
        return replace(one, varies=tuple(free and not no for free, no in zip(one.varies, fixed, strict=True)))
