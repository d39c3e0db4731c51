"""Covers all sizes by paths through the code of both sides, and compares them on each.

Code may branch on sizes, so one trace speaks of some sizes only. Where it does not hold, the smallest sizes left are
traced next, until none are left or time is up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import islpy as isl
import sympy

from convcheck.all_sizes.both import Both
from convcheck.all_sizes.compare import Difference, differences
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.points import at, smallest
from convcheck.all_sizes.reading import NoReading, read
from convcheck.all_sizes.replay import replay, resized
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.trace import Given, Path, SideRaises, SymbolicTrace, trace_both
from convcheck.all_sizes.value import Value
from convcheck.results import Sides
from convcheck.tracing.places import place_of_error, place_of_node

MOST_PATHS = 48
MOST_STEPS = 20_000_000
"""How many operations isl may take to compare one path."""


@dataclass(frozen=True)
class Region:
    """Sizes on one path, and what both sides are there."""

    region: Any
    sizes: Sizes
    values: Sides[Value]
    trace: SymbolicTrace
    differences: tuple[Difference, ...] = ()


@dataclass
class Exploration:
    """What is known of all sizes: where both sides are equal, where they differ, where one raises, what is open."""

    world: Any
    """The sizes that are asked about: lengths of 2 and more, those of weights as the reference needs them."""
    path: Path
    """The path that the claim's own sizes are on."""
    equal: list[Region] = field(default_factory=list)
    different: list[Region] = field(default_factory=list)
    raising: list[tuple[str, Any]] = field(default_factory=list)
    obstacle: str | None = None


class TimeIsUp(Exception):  # noqa: N818  # it is an answer, not a fault
    """The time of a proof is over."""


def explore(both: Both, given: list[Given], check_time: Callable[[], None]) -> Exploration:
    """Compare both sides on all paths.

    Raises:
        CannotProve: a side cannot be traced at the claim's own sizes.
        TimeIsUp: as `check_time` does.
    """
    try:
        first = trace_both(both.reference, both.candidate, given)
    except SideRaises as error:
        raise CannotProve(_said(error)) from None
    exploration = Exploration(first.path.world().region, first.path)
    trace: SymbolicTrace | None = first
    left, paths = exploration.world, 0
    while trace is not None or not left.is_empty():
        check_time()
        paths += 1
        if paths > MOST_PATHS:
            exploration.obstacle = exploration.obstacle or f"more than {MOST_PATHS} branches on sizes"
            break
        point: Mapping[str, int] | None = None
        if trace is None:
            point = smallest(left, [str(s) for s in first.path.names.values()])
            assert point is not None
            if (beside := _beside_fixed(both, given, first.path, point)) is not None:
                left = left.subtract(beside)
                continue
            try:
                trace = trace_both(both.reference, both.candidate, resized(given, point))
            except SideRaises as error:
                region = _where(error.path, point)
                exploration.raising.append((error.side, region.intersect(exploration.world)))
                left = left.subtract(region)
                continue
        region = _compared(trace, exploration, check_time)
        if point is not None and not at(point).is_subset(region):
            # Nothing is known beside the sizes themselves.
            exploration.obstacle = exploration.obstacle or "a condition on sizes that is no linear one"
            region = region.union(at(point))
        left, trace = left.subtract(region).coalesce(), None
    return exploration


def _beside_fixed(both: Both, given: list[Given], path: Path, point: Mapping[str, int]) -> Any:
    """Return the sizes that are not those which the candidate's code fixes, if it raises at a point among them.

    The claim is not about them; where it does not raise, they are traced as others are.
    """
    sizes = path.sizes()
    fixed = {str(s): int(one) for s in sizes.lowest if (one := sizes.size(s)).is_Integer}
    other = next((name for name, size in fixed.items() if point.get(name, size) != size), None)
    if other is None or replay(both, resized(given, point)).raised.candidate is None:
        return None
    return isl.Set(f"[{other}] -> {{ : {other} != {fixed[other]} }}")


def _where(path: Path, point: Mapping[str, int]) -> Any:
    """Return where a side raises: all sizes on its path, or the ones that were tried where no relation says which."""
    try:
        sizes = path.sizes()
        region = sizes.region
    except (CannotProve, isl.Error):
        return at(point)
    return at(point) if sizes.unread or not at(point).is_subset(region) else region


def _compared(trace: SymbolicTrace, exploration: Exploration, check_time: Callable[[], None]) -> Any:
    """Compare both sides on one path, and return the sizes that are on it."""
    sizes = trace.path.sizes()
    region = sizes.region
    if sizes.unread:
        exploration.obstacle = exploration.obstacle or f"the condition {sizes.unread[0]}"
        return region
    try:
        sources = Sources(sizes)
        nodes = trace.graph.graph.find_nodes(op="placeholder")
        inputs = {
            node: sources.tensor(name, shape)
            for node, (name, shape) in zip(nodes, trace.path.lengths.items(), strict=True)
        }
        values = read(trace.graph, inputs, sources, check_time)
        outputs: Any = trace.graph.graph.output_node().args[0]
        one, other = (values[node] for node in outputs)
        if len(one.axes) != len(other.axes):
            raise CannotProve(f"outputs of {len(one.axes)} and {len(other.axes)} axes")
        one, other = aligned(one, other)
        found = tuple(differences(one, other))
    except CannotProve as error:
        exploration.obstacle = exploration.obstacle or _obstacle(error)
        return region
    except isl.Error as error:
        exploration.obstacle = exploration.obstacle or f"isl gave up: {error}"
        return region
    entry = Region(region, sizes, Sides(one, other), trace, found)
    (exploration.different if found else exploration.equal).append(entry)
    return region


def _obstacle(error: CannotProve) -> str:
    """Return the operator, why it is not read, and its place."""
    if isinstance(error, NoReading) and (place := place_of_node(error.node)):
        return f"{error.why} at {place}"
    return error.why


def _said(error: SideRaises) -> str:
    place = place_of_error(error.error)
    return f"the {error.side} cannot be traced at symbolic sizes: {error}" + (f" at {place}" if place else "")
