"""One attempt to prove a claim, with the channels of weights free or as they are."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import islpy as isl

from convcheck.all_sizes import budget
from convcheck.all_sizes.axes import Extent, FreeAxis, extent, fixed_channels, free_axes
from convcheck.all_sizes.both import Both
from convcheck.all_sizes.certificate import Certificate, graph_text
from convcheck.all_sizes.counterexamples import Search
from convcheck.all_sizes.exploring import explore
from convcheck.all_sizes.notation import Notation
from convcheck.all_sizes.points import as_tuples, at, at_least, smallest
from convcheck.all_sizes.raising import raised_alone
from convcheck.all_sizes.regions import Exploration, Region
from convcheck.all_sizes.replay import replay, resized
from convcheck.all_sizes.second_look import Look, look_again
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import INPUT, Given, lengths_of, symbol, symbol_name
from convcheck.results import Sides, SizesCounterexample, SizesProof, SizesStatus

Names = Sequence[Sequence[str]]
"""A name for every axis of every input."""
MOST_TERMS, FEWEST_TERMS = 2_000, 200
"""How many terms of sums are added for a second look, over all paths together, and on each of them."""


@dataclass
class Attempt:
    """One attempt, with the channels of weights free or as they are; `obstacle` says why they are not free.

    `still` are lengths, by their symbols, that stay as they are.
    """

    both: Both
    names: Names
    channels: bool
    about: Mapping[str, str]
    obstacle: str | None = None
    still: frozenset[str] = frozenset()
    given: Sequence[Given] = field(init=False)

    def proof(self) -> SizesProof:
        """Return what comes of it. Raises CannotProve, TimeIsUp and ProofContradicted."""
        counterexample = self.search.among(self.exploration)
        if counterexample is None and (self.exploration.obstacle is not None or self.exploration.different):
            counterexample = self.search.sweep()
        if counterexample is not None:
            return self._refuted(counterexample)
        self._check_proved()
        looks = [look for region in self.exploration.equal for look in self._looks(region)]
        if not any(look.entries for look in looks):
            raise CannotProve("no entry small enough for a second look")
        ones, probed = self._ones()
        if isinstance(ones, SizesCounterexample):
            return self._refuted(ones)
        if (counterexample := self._beside_fixed()) is not None:
            return self._refuted(counterexample)
        return self._proved(ones, probed, looks)

    @cached_property
    def exploration(self) -> Exploration:
        """What is known of all sizes."""
        anywhere, at_home = (
            [self._held(one) for one in given]
            for given in (self.both.given(self.channels), self.both.at_home(self.channels))
        )
        self.given = anywhere
        try:
            exploration = explore(self.both, anywhere)
            if exploration.equal or exploration.different or exploration.shown or at_home == anywhere:
                return exploration
        except CannotProve:
            if at_home == anywhere:
                raise
        self.given = at_home
        return explore(self.both, at_home, until_obstacle=True)

    @property
    def explored(self) -> bool:
        """Whether there is anything to tell of all sizes."""
        return "exploration" in self.__dict__

    @property
    def fixes(self) -> frozenset[str]:
        """The lengths for which code is another one at every size: on its paths, or as it is made."""
        path = {self.exploration.fixes} if self.exploration.fixes is not None else set()
        return frozenset(path | self.search.made_for)

    def _held(self, one: Given) -> Given:
        """Return a tensor with the lengths that stay as they are."""
        still = [symbol_name(one.name, axis) in self.still for axis, _ in enumerate(one.shape)]
        sizes = zip(one.shape, self.both.shapes()[one.name], still, strict=True)
        shape = tuple(own if held else size for size, own, held in sizes)
        return replace(
            one, shape=shape, varies=tuple(v and not held for v, held in zip(one.varies, still, strict=True))
        )

    @cached_property
    def axes(self) -> Sequence[FreeAxis]:
        return free_axes(self.exploration.path, self.names, self.both.sides.reference.parameter_axes)

    @cached_property
    def extent(self) -> Extent:
        """Which axes vary where both sides are equal."""
        return extent(self.axes, self.exploration.equal)

    @cached_property
    def search(self) -> Search:
        world = self.exploration.path.world(1).region
        return Search(self.both, self.given, self.axes, world, self.exploration.path)

    def _check_proved(self) -> None:
        """Check that both sides are equal wherever both run. Raises CannotProve."""
        if self.exploration.obstacle is not None:
            raise CannotProve(self.exploration.obstacle)
        if self.exploration.different and self.search.made_for:
            raise CannotProve("the candidate is made for one size")
        if self.exploration.different:
            raise CannotProve("the relations differ where torch sees no difference")
        if not self.exploration.equal:
            raise CannotProve("no sizes at which both sides run")

    def _looks(self, region: Region) -> Sequence[Look]:
        budget.check_time()
        seed = zlib.crc32(graph_text(region.trace.graph).encode())
        terms = max(MOST_TERMS // len(self.exploration.equal), FEWEST_TERMS)
        return list(look_again(self.both, self.given, self.axes, region, seed, terms))

    def _refuted(self, counterexample: SizesCounterexample) -> SizesProof:
        return SizesProof(
            SizesStatus.REFUTED,
            fixed=self._fixed_inputs(),
            counterexample=counterexample,
            raises=self._raises(None)[0],
            relations=self._relations(),
        )

    def _proved(self, ones: Sequence[str], probed: Sequence[str], looks: Sequence[Look]) -> SizesProof:
        found = self.extent
        parameters = self.both.sides.reference.parameter_axes
        further = fixed_channels(self.exploration.path, self.axes, self.both.given(), parameters)
        raises, excepted = self._raises(found)
        relations = [self._written(region) for region in self.exploration.equal]
        proof = SizesProof(
            SizesStatus.PROVED,
            free={name: 1 if name in ones else low for name, low in found.free.items()},
            divisible=found.divisible,
            fixed={**self._fixed_inputs(), **found.fixed, **further},
            obstacle=self.obstacle,
            raises=raises,
            excepted=excepted,
            probed=tuple(probed),
            relations=relations[0],
        )
        certificate = Certificate(self.about, self.both, self.axes, self.exploration, proof, looks, relations)
        return replace(proof, certificate=certificate.text())

    def _fixed_inputs(self) -> dict[str, int]:
        """Return the lengths of inputs that are numbers in all traces, by the names of axes."""
        lengths, sizes = self.exploration.path.lengths, self.exploration.path.world()
        inputs = [zip(names, lengths[f"{INPUT}{n}"], strict=True) for n, names in enumerate(self.names)]
        known = {name: sizes.size(length) for pairs in inputs for name, length in pairs}
        return {name: int(size) for name, size in known.items() if size.is_Integer}

    def _raises(self, found: Extent | None) -> tuple[Sides[str | None], str | None]:
        return raised_alone(self.both, self.given, self.axes, self.exploration, found)

    def _relations(self) -> Sides[tuple[str, ...]]:
        """Return what both sides are, in index notation: on the first path on which they differ, or the first one."""
        region = next(iter((*self.exploration.different, *self.exploration.equal)), None)
        return Sides((), ()) if region is None else self._written(region)

    def _written(self, region: Region) -> Sides[tuple[str, ...]]:
        """Return both sides in index notation, which nothing but the reader depends on."""
        budget.begin_step()
        try:
            with budget.bounded():
                return Notation(self.both, self.axes, region).sides()
        except budget.TooLarge as error:
            return Sides((error.why,), (error.why,))

    def _ones(self) -> tuple[Sequence[str] | SizesCounterexample, Sequence[str]]:
        """Prove the batch at length 1, by a trace of its own, and probe the other axes of inputs there."""
        proved, probed = [], []
        for axis in self.axes:
            point = self._point_at_one(axis)
            if point is None:
                continue
            try:
                budget.check_time()
            except budget.TimeIsUp:
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
        """Return the smallest sizes at which an axis of an input is 1 long, with others as proved; None for weights."""
        if not axis.symbol.startswith(symbol_name("input")):
            return None
        order = [other.symbol for other in self.axes]
        found = self.extent
        fixed = {other.symbol: found.fixed[other.name] for other in self.axes if other.name in found.fixed}
        here = self.search.world.intersect(at({**fixed, axis.symbol: 1}))
        for other in self.axes:
            if other != axis and other.name in found.free:
                here = here.intersect(at_least(other.symbol, found.free[other.name]))
        return smallest(here, order)

    def _beside_fixed(self) -> SizesCounterexample | None:
        """Return a counterexample at other lengths of inputs than code fixes, if torch shows one.

        The claim is about all sizes at which both sides run, and code may run at lengths for which it was not written.
        """
        fixed = self._fixed_axes()
        search = replace(self.search, axes=tuple({axis.symbol: axis for axis in (*self.axes, *fixed)}.values()))
        home = {name: size for one in self.given for name, size in lengths_of(one).items()}
        for axis, length in fixed.items():
            for other in sorted({1, 2, 3, length - 1, length + 1, 2 * length} - {0, length}):
                budget.check_time()
                if (found := search.at({**home, axis.symbol: other})) is not None:
                    return search.smallest(found)
        return None

    def _fixed_axes(self) -> dict[FreeAxis, int]:
        """Return the axes of inputs that are numbers on all paths, and their lengths."""
        paths = [region.sizes for region in self.exploration.equal]
        fixed = {}
        for number, names in enumerate(self.names):
            tensor = f"{INPUT}{number}"
            for axis, name in enumerate(names):
                length = self.exploration.path.lengths[tensor][axis]
                sizes = {size for size in (path.size(length) for path in paths) if size.is_Integer}
                if len(sizes) == 1:
                    fixed[FreeAxis(name, symbol_name(tensor, axis))] = int(sizes.pop())
        return fixed

    def _is_proved_at_one(self, axis: FreeAxis) -> bool:
        """Tell whether both sides are equal at length 1 of an axis, for all sizes of the others."""
        tensor, _, number = axis.symbol.rpartition("_")
        one = {tensor.replace("_", "."): int(number)}
        given = [self._held(self._as_fixed(tensor)) for tensor in self.both.given(self.channels, one)]
        free = frozenset(other.symbol for other in self.axes if other != axis and other.name in self.extent.free)
        try:
            exploration = explore(self.both, given, until_obstacle=True, free=free)
        except (CannotProve, budget.TimeIsUp):
            return False
        if exploration.different or exploration.obstacle is not None:
            return False
        axes = [other for other in self.axes if other != axis]
        for region in exploration.equal:
            list(look_again(self.both, given, axes, region, 0, FEWEST_TERMS))
        # What is claimed of the others there is what is claimed of them anywhere.
        names = [other.symbol for other in axes]
        fixed = at({symbol_name(t.name, n): t.shape[n] for t in given for n, free in enumerate(t.varies) if not free})
        ours = _as_tuples([region.region for region in self.exploration.equal], names)
        theirs = _as_tuples([region.region.intersect(fixed) for region in exploration.equal], names)
        return bool(ours.is_subset(theirs))

    def _as_fixed(self, one: Given) -> Given:
        """Return a tensor whose axes do not vary where the code fixes them."""
        sizes = self.exploration.path.sizes()
        fixed = [sizes.size(symbol(symbol_name(one.name, axis))).is_Integer for axis, _ in enumerate(one.varies)]
        return replace(one, varies=tuple(free and not no for free, no in zip(one.varies, fixed, strict=True)))


def _as_tuples(regions: Sequence[Any], order: Sequence[str]) -> Any:
    """Return all sizes in some sets as tuples."""
    whole = as_tuples(isl.Set("{ : false }"), order)
    for region in regions:
        whole = whole.union(as_tuples(region, order))
    return whole
