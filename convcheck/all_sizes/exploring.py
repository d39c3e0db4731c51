"""Covers all sizes by paths through the code of both sides, and compares them on each.

Code may branch on sizes, so one trace speaks of some sizes only. Where it does not hold, the smallest sizes left are
traced next, until none are left or time is up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import islpy as isl
import sympy
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from convcheck.all_sizes import budget
from convcheck.all_sizes.both import Both, KeepsState
from convcheck.all_sizes.dtypes import traced
from convcheck.all_sizes.functions import LeavesTorch, MayBroadcast, MayShare
from convcheck.all_sizes.points import at, smallest, sum_below
from convcheck.all_sizes.regions import Exploration, compared
from convcheck.all_sizes.replay import Replayed, replay, resized
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.trace import (
    Given,
    Path,
    SideRaises,
    SymbolicTrace,
    lengths_of,
)
from convcheck.tracing.places import place_of_error

NO_VALUES = (GuardOnDataDependentSymNode, DataDependentOutputException, DynamicOutputShapeException)
"""What a trace raises where code asks for values, whatever torch does with them."""
NOT_FOLLOWED = (KeepsState, LeavesTorch, MayBroadcast, MayShare)
"""What a trace raises where code does what a graph does not hold."""
MOST_PATHS = 48
MOST_FIXED = 6
"""How many numbers a length may be on as many paths: code that fixes it has a path for every number."""
MOST_DOUBLINGS = 24
"""Sizes up to 2 to this power are tried for a condition that no relation can state."""


def explore(
    both: Both, given: list[Given], until_obstacle: bool = False, free: frozenset[str] = frozenset()
) -> Exploration:
    """Compare both sides on all paths; where they differ in torch, on those of smaller sizes only.

    `until_obstacle` ends where one path cannot be compared: nothing is proved then, whatever the others show. So it
    does where code fixes one of the lengths that are `free` at the claim's own sizes.

    Raises:
        CannotProve: a side cannot be traced at the claim's own sizes.
        TimeIsUp: the time of the proof is over before there is anything to tell.
    """
    try:
        first = traced(both, given)
    except SideRaises as error:
        if error.side == "reference":
            raise CannotProve(_said(error)) from None
        if not _raises(error, replay(both, given)):
            return Exploration(error.path.world().region, error.path, obstacle=_said(error))
        # It may run at other sizes, as where two lengths meet that are the same there.
        exploration = Exploration(error.path.world().region, error.path)
        tried = {name: size for one in given for name, size in lengths_of(one).items()}
        region = _where(error.path, tried)
        exploration.raising.append((error.side, region.intersect(exploration.world)))
        left = exploration.world.subtract(region)
    else:
        exploration = Exploration(first.path.world().region, first.path)
        left = exploration.world
        left = left.subtract(_on_path(both, given, first, None, exploration))
        if fixed := {name for name, _ in _numbers(first.path)} & free:
            exploration.obstacle = exploration.obstacle or f"the code fixes the length {min(fixed)}"
    if until_obstacle and exploration.obstacle is not None:
        return exploration
    try:
        with budget.bounded():
            _cover(both, given, left, exploration)
    except budget.TimeIsUp:
        exploration.obstacle = exploration.obstacle or "the time limit"
    except budget.TooLarge as error:
        exploration.obstacle = exploration.obstacle or error.why
    return exploration


def _cover(both: Both, given: list[Given], left: Any, exploration: Exploration) -> None:
    """Compare both sides on the paths of the smallest sizes that are left, until none are."""
    numbers = set(_numbers(exploration.path))
    for _ in range(MOST_PATHS):
        budget.check_time()
        if exploration.shown:
            total = min(sum(point[name] for name in exploration.order) for point in exploration.shown)
            left = left.intersect(sum_below(exploration.order, total))
        point = smallest(left, exploration.order)
        if point is None:
            return
        if (beside := _beside_fixed(both, given, exploration.path, point)) is not None:
            left = left.subtract(beside)
            continue
        try:
            trace = traced(both, resized(given, point))
        except SideRaises as error:
            region = _where(error.path, point)
            ran = replay(both, resized(given, point))
            if _raises(error, ran):
                exploration.raising.append((error.side, region.intersect(exploration.world)))
            else:
                # A trace cannot follow what torch can run, as where code asks for values.
                exploration.obstacle = exploration.obstacle or _said(error)
                if ran.reason is not None:
                    exploration.shown.append(point)
        else:
            region = _on_path(both, given, trace, point, exploration)
            numbers |= set(_numbers(trace.path))
            for name, times in Counter(name for name, _ in numbers).items():
                if times > MOST_FIXED:
                    exploration.obstacle = exploration.obstacle or f"the code fixes the length {name}"
                    exploration.fixes = name
                    return
        left = left.subtract(region).coalesce()
    exploration.obstacle = exploration.obstacle or f"more than {MOST_PATHS} branches on sizes"


def _numbers(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the lengths that are numbers on a path."""
    sizes = path.sizes()
    for symbol in sizes.lowest:
        if (size := sizes.size(symbol)).is_Integer:
            yield str(symbol), int(size)


def _on_path(
    both: Both,
    given: list[Given],
    trace: SymbolicTrace,
    point: Mapping[str, int] | None,
    exploration: Exploration,
) -> Any:
    """Compare both sides on one path, in torch as well where they are not equal, and return the sizes on it."""
    count = len(exploration.equal)
    region = compared(trace, exploration)
    unread = trace.path.sizes().unread
    if unread and not _holds_either_way(both, given, trace, exploration):
        exploration.obstacle = exploration.obstacle or f"the condition {unread[0]}"
    if point is not None and not at(point).is_subset(region):
        # Nothing is known beside the sizes themselves.
        exploration.obstacle = exploration.obstacle or "a condition on sizes that is no linear one"
        region = region.union(at(point))
    if unread or len(exploration.equal) == count:
        tried = point or smallest(region.intersect(exploration.world), exploration.order)
        if tried is not None and replay(both, resized(given, tried)).reason is not None:
            exploration.shown.append(tried)
    return region


def _beside_fixed(both: Both, given: list[Given], path: Path, point: Mapping[str, int]) -> Any:
    """Return the sizes that are not those which the candidate's code fixes, if it raises at a point among them.

    The claim is not about them; where it does not raise, they are traced as others are.
    """
    fixed = dict(_numbers(path))
    other = next((name for name, size in fixed.items() if point.get(name, size) != size), None)
    if other is None or replay(both, resized(given, point)).raised.candidate is None:
        return None
    return isl.Set(f"[{other}] -> {{ : {other} != {fixed[other]} }}")


def _holds_either_way(both: Both, given: list[Given], trace: SymbolicTrace, exploration: Exploration) -> bool:
    """Compare both sides where one condition that no relation can state does not hold, and all others do as well.

    Return whether there is such a path; so it is where code does the same in one piece or in several.
    """
    sizes = trace.path.sizes()
    if len(sizes.unread) != 1:
        return False
    (condition,) = sizes.unread
    if (point := _point_without(condition, sizes, exploration)) is None:
        return False
    try:
        other = traced(both, resized(given, point))
    except SideRaises:
        return False
    there = other.path.sizes()
    opposite = [sympy.Not(one) for one in there.unread]
    if opposite != [condition] or not sizes.region.is_subset(there.region):
        return False
    compared(other, exploration)
    return True


def _point_without(condition: Any, sizes: Sizes, exploration: Exploration) -> Mapping[str, int] | None:
    """Return sizes of a region at which a condition does not hold, among ever larger ones; None if none is met."""
    for power in range(1, MOST_DOUBLINGS):
        for grown in (condition.free_symbols, *([one] for one in condition.free_symbols)):
            text = " and ".join(f"{one} >= {2**power}" for one in grown)
            larger = isl.Set(f"[{', '.join(map(str, grown))}] -> {{ : {text} }}")
            point = smallest(sizes.region.intersect(larger).intersect(exploration.world), exploration.order)
            if point is not None and not holds(condition, point):
                return point
    return None


def holds(condition: Any, point: Mapping[str, int]) -> bool:
    """Tell whether a condition that is no relation holds at some sizes."""
    return bool(condition.subs({one: point[str(one)] for one in condition.free_symbols}))


def _where(path: Path, point: Mapping[str, int]) -> Any:
    """Return where a side raises: all sizes on its path, or the ones that were tried where no relation says which."""
    try:
        with budget.bounded():
            sizes = path.sizes()
            region = sizes.region
    except CannotProve:
        return at(point)
    return at(point) if sizes.unread or not at(point).is_subset(region) else region


def _raises(error: SideRaises, ran: Replayed) -> bool:
    """Tell whether a side raises because of the sizes: in torch as well, and not because a trace has no values."""
    return getattr(ran.raised, error.side) is not None and not isinstance(error.error, (*NO_VALUES, *NOT_FOLLOWED))


def _said(error: SideRaises) -> str:
    place = place_of_error(error.error)
    return f"tracing: the {error.side} cannot be traced at symbolic sizes: {error}" + (f" at {place}" if place else "")
