"""Compares both sides on one path through their code: as tensors for all sizes on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from convcheck.all_sizes import budget
from convcheck.all_sizes.compare import Difference, differences
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.reading import NoReading, read
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.trace import Path, SymbolicTrace, free_symbols
from convcheck.all_sizes.value import Value
from convcheck.results import Sides
from convcheck.tracing.places import place_of_node

MOST_CASES = 6
"""How many conditions that a relation depends on are told apart on one path."""


@dataclass(frozen=True)
class Region:
    """Sizes on one path, and what both sides are there."""

    region: Any
    sizes: Sizes
    values: Sides[Value]
    sources: Sources
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
    shown: list[Mapping[str, int]] = field(default_factory=list)
    """Sizes at which torch showed that the sides differ."""
    obstacle: str | None = None
    fixes: str | None = None
    """A length for which the code is another one at every size."""

    @property
    def order(self) -> tuple[str, ...]:
        """The lengths that vary by themselves."""
        return free_symbols(self.path)


def compared(trace: SymbolicTrace, exploration: Exploration, cases: tuple[str, ...] = ()) -> Any:
    """Compare both sides on one path, and return the sizes that are on it.

    `cases` are conditions that hold besides: where a relation depends on one, either case is compared by itself.
    """
    sizes = trace.path.sizes()
    for case in cases:
        sizes.learn(case)
    region = sizes.region
    if region.is_empty():
        return region
    try:
        with budget.bounded():
            sources = Sources(sizes)
            nodes = trace.graph.graph.find_nodes(op="placeholder")
            inputs = {
                node: sources.tensor(name, shape)
                for node, (name, shape) in zip(nodes, trace.path.lengths.items(), strict=True)
            }
            values = read(trace.graph, inputs, sources)
            outputs: Any = trace.graph.graph.output_node().args[0]
            one, other = (values[node] for node in outputs)
            found = tuple(_of_shape(one, other))
            if not found:
                one, other = aligned(one, other)
                found = tuple(differences(one, other))
    except CannotProve as error:
        if error.undecided is not None and len(cases) < MOST_CASES:
            for case in (error.undecided, f"not ({error.undecided})"):
                compared(trace, exploration, (*cases, case))
        else:
            exploration.obstacle = exploration.obstacle or _obstacle(error)
        return region
    entry = Region(region, sizes, Sides(one, other), sources, trace, found)
    (exploration.different if found else exploration.equal).append(entry)
    return region


def _of_shape(one: Value, other: Value) -> Iterator[Difference]:
    """Yield where two tensors differ in their shapes. Raises CannotProve where no relation tells."""
    sizes = one.sizes
    if one.rank != other.rank:
        yield Difference(None, sizes.context)
        return
    for mine, theirs in zip(one.shape, other.shape, strict=True):
        if not sizes.same(mine, theirs):
            apart = sizes.context.intersect(sizes.set(f"{sizes.text(mine - theirs)} != 0"))
            if not apart.is_empty():
                yield Difference(None, apart)


def _obstacle(error: CannotProve) -> str:
    """Return the operator, why it is not read, and its place."""
    if isinstance(error, NoReading) and (place := place_of_node(error.node)):
        return f"{error.why} at {place}"
    return error.why
