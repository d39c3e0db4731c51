"""How a weight is laid out anew, as text: an einops pattern, and steps along axes that it names.

`o i kh kw -> o (i kh kw) | flip kh | pad kw 0 1` flips the kernel's rows, and adds a zero after its columns, wherever
these axes stand. Another pattern may follow, and lengths that are not known otherwise stand behind a pattern:
`o i (h kh) -> o (i kh) h, kh=2`. Only sizes are known here; `convcheck.rewriting.steps` moves tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from convcheck.errors import PatternError, did_you_mean, shown
from convcheck.sizes.limits import MAX_SHORT_TEXT
from convcheck.sizes.patterns import Group, Pattern, Shape, parse

Lengths = tuple[tuple[str, int], ...]
"""The lengths of some axes, as they stand behind a pattern."""


class Layout(NamedTuple):
    """The axes of a tensor: a group of names for every axis, and the length of every name."""

    groups: tuple[Group, ...]
    sizes: Mapping[str, int]

    @property
    def shape(self) -> Shape:
        return tuple(math.prod(self.sizes[name] for name in group) for group in self.groups)

    @property
    def names(self) -> Group:
        """All axes in order, as if none were grouped."""
        return tuple(name for group in self.groups for name in group)

    def resized(self, axis: str, length: int) -> Layout:
        """Return the layout with another length of one axis."""
        return Layout(self.groups, {**self.sizes, axis: length})


class Rearrangement(NamedTuple):
    """An einops pattern, and the lengths that stand behind it."""

    pattern: Pattern
    lengths: Lengths = ()

    def __str__(self) -> str:
        return ", ".join((str(self.pattern), *(f"{axis}={length}" for axis, length in self.lengths)))

    def known(self, axis_sizes: Mapping[str, int], before: Layout) -> dict[str, int]:
        """Return the lengths that are known of axes: those written, and those of groups that stay as they were."""
        groups = zip(self.pattern.source, before.groups, strict=False)
        same = {name: before.sizes[name] for here, there in groups if here == there for name in here}
        written = {**same, **dict(self.lengths)}
        # An axis whose length follows from those that are written need not be the layer's axis of that name.
        follows = {
            name
            for group in self.pattern.source
            for name in group
            if len(group) > 1 and name not in written and all(other in written for other in group if other != name)
        }
        return {**{name: size for name, size in axis_sizes.items() if name not in follows}, **written}

    def ungrouped(self, axis_sizes: Mapping[str, int]) -> Rearrangement:
        """Leave groups out where there is just one."""
        if {**axis_sizes, **dict(self.lengths)}.get("g", 1) > 1:
            return self
        return Rearrangement(self.pattern.without("g"), tuple(entry for entry in self.lengths if entry[0] != "g"))


class Operation(NamedTuple):
    """A step behind a pattern: its name, the axis that it is along, and its numbers."""

    name: str
    axis: str = ""
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *filter(None, [self.axis]), *map(str, self.numbers)))

    def after(self, layout: Layout, pattern: Pattern) -> Layout:
        """Return the layout after the step; `pattern` is the last one before it.

        Raises:
            PatternError: there is no such axis, or it cannot be cut or copied so.
        """
        if self.axis and self.axis not in layout.names:
            raise PatternError(f"'{self}': there is no such axis; {did_you_mean(self.axis, layout.names)}")
        length = layout.sizes.get(self.axis, 1)
        if self.name == "repeat" and not pattern.repeated:
            raise PatternError(f"'{self}': '{pattern}' repeats nothing; name a new axis on its right side")
        if self.name == "pad":
            return layout.resized(self.axis, sum(self.numbers) + length)
        if self.name == "dilate":
            return layout.resized(self.axis, (length - 1) * self.numbers[0] + 1)
        if self.name == "blocks":
            return layout.resized(self.axis, length * self._blocks(layout))
        if self.name == "part":
            number, count = self.numbers
            if not 1 <= number <= count or length % count:
                raise PatternError(f"'{self}': {self.axis} is {length} long, and has no such part")
            return layout.resized(self.axis, length // count)
        if self.name == "slice":
            start, stop = self.numbers
            if not start < stop <= length:
                raise PatternError(f"'{self}': {self.axis} is {length} long, and has no such places")
            return layout.resized(self.axis, stop - start)
        return layout

    def _blocks(self, layout: Layout) -> int:
        (count,) = self.numbers
        if count < 1 or len(layout.groups) < 2 or layout.groups[1] != (self.axis,) or layout.shape[0] % count:
            raise PatternError(f"'{self}': needs to be along the second axis, with a first one that {count} divides")
        return count


USAGE: Mapping[str, str] = {
    "flip": "AXIS",
    "pad": "AXIS BEFORE AFTER",
    "repeat": "",
    "negate": "",
    "dilate": "AXIS FACTOR",
    "blocks": "AXIS COUNT",
    "part": "AXIS NUMBER COUNT",
    "slice": "AXIS START STOP",
}
"""The steps there are, and what stands behind the name of each."""


class Relayout(NamedTuple):
    """A rearrangement, and what follows it."""

    parts: tuple[Rearrangement | Operation, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.parts))

    def ungrouped(self, axis_sizes: Mapping[str, int]) -> Relayout:
        """Leave groups out of all patterns where there is just one. An axis `g` by itself at first is no such axis."""
        if self.parts and isinstance(self.parts[0], Rearrangement) and ("g",) in self.parts[0].pattern.source:
            return self
        return Relayout(
            tuple(part.ungrouped(axis_sizes) if isinstance(part, Rearrangement) else part for part in self.parts)
        )

    def layouts(self, shape: Shape, axis_sizes: Mapping[str, int]) -> Iterator[tuple[Layout, Layout]]:
        """Yield the layouts before and after every part, for a tensor of `shape`.

        `axis_sizes` gives lengths that the shape alone does not.

        Raises:
            PatternError: a pattern does not fit the shape that it meets, or a step is impossible.
        """
        layout, pattern = Layout((), {}), Pattern((), ())
        for part in self.parts:
            if isinstance(part, Rearrangement):
                pattern = part.pattern
                sizes = pattern.sizes(shape, part.known(axis_sizes, layout))
                before, layout = Layout(pattern.source, sizes), Layout(pattern.target, sizes)
            else:
                before, layout = layout, part.after(layout, pattern)
            shape = layout.shape
            yield before, layout

    def result(self, shape: Shape, axis_sizes: Mapping[str, int]) -> Shape:
        """Return the shape in the end for a tensor of `shape`; raises as `layouts` does."""
        *_, (_, layout) = self.layouts(shape, axis_sizes)
        return layout.shape


def parse_relayout(text: object) -> Relayout:
    """Read a pattern and what follows it.

    Raises:
        PatternError: a pattern is none, or there is no such step, or something else stands behind its name.
    """
    if not isinstance(text, str) or ("|" not in text and "," not in text):
        return Relayout((Rearrangement(parse(text)),))
    if len(text) > MAX_SHORT_TEXT:
        raise PatternError(f"{shown(text)} is a pattern of {len(text)} characters; {MAX_SHORT_TEXT} at most are read")
    return _parse(text)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Relayout:
    first, *others = (part.strip() for part in text.split("|"))
    return Relayout((_rearrangement(first), *(_rearrangement(p) if "->" in p else _operation(p) for p in others)))


def _rearrangement(text: str) -> Rearrangement:
    written, *lengths = (part.strip() for part in text.split(","))
    pattern = parse(written)
    known: dict[str, int] = {}
    for entry in lengths:
        match = re.fullmatch(r"([A-Za-z_]\w*)\s*=\s*([1-9][0-9]{0,17})", entry)
        if match is None or match[1] in known:
            raise PatternError(f"{shown(entry)} is no length of an axis; write them behind a pattern, as 'kh=2, kw=2'")
        if not any(match[1] in group for group in (*pattern.source, *pattern.target)):
            raise PatternError(f"{shown(entry)}: '{pattern}' has no axis '{match[1]}'")
        known[match[1]] = int(match[2])
    return Rearrangement(pattern, tuple(known.items()))


def _operation(text: str) -> Operation:
    name, *words = text.split() or [""]
    if name not in USAGE:
        raise PatternError(f"{shown(name)} is no step; {did_you_mean(name, USAGE)}")
    usage = f"{name} {USAGE[name]}".split()
    axis, numbers = (words[0], words[1:]) if "AXIS" in usage and words else ("", words)
    if len(words) != len(usage) - 1 or not all(re.fullmatch("[0-9]{1,18}", number) for number in numbers):
        raise PatternError(f"{shown(text)} is no such step; write it as '{' '.join(usage)}'")
    values = tuple(map(int, numbers))
    if name == "dilate" and values == (0,):
        raise PatternError(f"{shown(text)}: the factor must be at least 1")
    return Operation(name, axis, values)
