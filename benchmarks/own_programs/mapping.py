"""How a parameter of the candidate is laid out, as a text for `map` and as a term."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random

from benchmarks.own_programs import build
from benchmarks.own_programs.terms import NoTermError, Term, in_order, leaves, parameter, rebuilt

LETTERS = "abcdefgh"
JOINED = 0.25
"""How often two parameters that fit become one."""


@dataclass(frozen=True)
class Source:
    """A parameter of the reference, some axes backwards, then others in order, then some merged.

    `flips` are axes of the reference's parameter; `groups` are numbers of axes that become one.
    """

    origin: Term
    flips: tuple[int, ...]
    axes: tuple[int, ...]
    groups: tuple[int, ...]

    def __str__(self) -> str:
        letters = [LETTERS[axis] for axis in self.axes]
        written, start = [], 0
        for count in self.groups:
            group = " ".join(letters[start : start + count])
            written.append(f"({group})" if count > 1 else group)
            start += count
        if self.is_plain:
            return self.origin.name
        pattern = f"{' '.join(LETTERS[: len(self.axes)])} -> {' '.join(written)}"
        return " | ".join([f"{self.origin.name}: {pattern}", *(f"flip {LETTERS[axis]}" for axis in self.flips)])

    @property
    def is_plain(self) -> bool:
        """Whether the parameter is the same."""
        return not self.flips and self.axes == tuple(sorted(self.axes)) and set(self.groups) == {1}

    def term(self) -> Term:
        """Return the candidate's parameter as a term in the reference's."""
        value = build.flip(self.origin, self.flips) if self.flips else self.origin
        moved = build.permute(value, self.axes)
        shape, start = [], 0
        for count in self.groups:
            shape.append(math.prod(moved.shape[start : start + count]))
            start += count
        return build.reshape(moved, shape)

    def back(self, value: Term) -> Term:
        """Return the reference's parameter as a term in the candidate's."""
        if set(self.groups) != {1}:
            value = build.reshape(value, [self.origin.shape[axis] for axis in self.axes])
        if self.axes != tuple(sorted(self.axes)):
            value = build.permute(value, [self.axes.index(axis) for axis in range(len(self.axes))])
        return build.flip(value, self.flips) if self.flips else value


def drawn(origin: Term, random: Random) -> Source:
    """Return a source of a parameter; as it is for about half of all."""
    rank = len(origin.shape)
    axes, groups = tuple(range(rank)), [1] * rank
    flips: tuple[int, ...] = ()
    if random.random() < 0.5:
        return Source(origin, flips, axes, tuple(groups))
    if random.random() < 0.8:
        axes = tuple(random.sample(axes, rank))
    if random.random() < 0.25:
        flips = (random.randrange(rank),)
    if rank > 1 and random.random() < 0.4:
        first = random.randrange(rank - 1)
        groups[first : first + 2] = [2]
    return Source(origin, flips, axes, tuple(groups))


@dataclass(frozen=True)
class Joined:
    """One parameter of the candidate from two of the reference, one behind the other along the first axis."""

    first: Source
    second: Source

    def __str__(self) -> str:
        return f"[{self.first}; {self.second}]"

    def term(self) -> Term:
        """Return the candidate's parameter as a term in the reference's."""
        return build.cat([self.first.term(), self.second.term()], 0)


Sources = dict[str, Source | Joined]


def relaid(top: Term, random: Random) -> tuple[Term, Sources]:
    """Lay the parameters of a program out anew, and return their sources by their new names."""
    drawn_sources = [drawn(origin, random) for origin in leaves(top, "parameter")]
    sources: Sources = {}
    new: dict[str, Term] = {}
    shapes = [source.term().shape for source in drawn_sources]
    fitting = [(one, two) for one, two in combinations(range(len(shapes)), 2) if shapes[one][1:] == shapes[two][1:]]
    pair = random.choice(fitting) if fitting and random.random() < JOINED else ()
    if pair:
        first, second = (drawn_sources[number] for number in pair)
        sources["joined"] = Joined(first, second)
        whole, place = parameter("joined", sources["joined"].term().shape), shapes[pair[0]][0]
        new[first.origin.name] = first.back(build.cut(whole, 0, 0, place))
        new[second.origin.name] = second.back(build.cut(whole, 0, place, whole.shape[0]))
    for number, source in enumerate(drawn_sources):
        if number in pair:
            continue
        origin = source.origin.name
        flat = origin.replace(".", "_")
        name = origin if random.random() < 0.7 else random.choice((f"{flat}_new", f"inner.{flat}"))
        sources[name] = source
        new[origin] = source.back(parameter(name, shapes[number]))
    changes = {id(one): new[one.name] for one in in_order(top) if one.operator == "parameter"}
    return rebuilt(top, changes), sources


def written(sources: Sources) -> dict[str, str]:
    """Return what `map` says; nothing of what keeps its name and its layout."""
    return {name: str(source) for name, source in sources.items() if str(source) != name}


def mistaken(sources: Sources, random: Random) -> Sources:
    """Return a mapping with one mistake that no shape shows.

    Raises:
        NoTermError: there is none of the kind that was drawn.
    """
    name = random.choice(sorted(sources))
    source = sources[name]
    shape = source.term().shape
    if isinstance(source, Joined):
        if source.first.term().shape != source.second.term().shape:
            raise NoTermError("parts that a shape tells apart")
        return sources | {name: Joined(source.second, source.first)}
    way = random.randrange(3)
    if way == 0:
        others = [other for other in sources if other != name and sources[other].term().shape == shape]
        if not others:
            raise NoTermError("no parameter of the same shape")
        other = random.choice(others)
        return sources | {name: sources[other], other: source}
    if way == 1:
        axis = random.randrange(len(source.axes))
        return sources | {name: replace(source, flips=() if source.flips else (axis,))}
    wrong = replace(source, axes=tuple(random.sample(source.axes, len(source.axes))))
    if wrong == source or wrong.term().shape != shape:
        raise NoTermError("an order of axes that a shape shows")
    return sources | {name: wrong}
