"""Input shapes of layers that are given by path, or by patterns of paths as a shell has them."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from convcheck.errors import ConvcheckError, UsageError, did_you_mean, shown
from convcheck.layers import parse_shape
from convcheck.sizes.patterns import Shape

MOST = 6
"""How many paths a message lists."""


@dataclass(frozen=True)
class GivenShapes:
    """Shapes in the order in which they were given. `whole` are those without a path: inputs of all of it."""

    shapes: Sequence[tuple[str, Shape]] = ()
    whole: Sequence[Shape] = ()
    used: set[str] = field(default_factory=set)

    def of(self, path: str) -> tuple[Shape, ...]:
        """Return the shapes that a layer is called with: by its own path, or else by the patterns that match it."""
        matching = [entry for entry in self.shapes if entry[0] == path or fnmatch.fnmatchcase(path, entry[0])]
        self.used.update(pattern for pattern, _ in matching)
        chosen = [entry for entry in matching if entry[0] == path] or matching
        return tuple(dict.fromkeys(shape for _, shape in chosen))

    def names(self, path: str) -> bool:
        """Tell whether a path is given itself, and not by a pattern."""
        return any(pattern == path for pattern, _ in self.shapes)

    def unused(self, paths: Collection[str]) -> list[str]:
        """Return a sentence on every path or pattern that names nothing."""
        named = sorted(filter(None, paths))
        unused = dict.fromkeys(pattern for pattern, _ in self.shapes if pattern not in self.used)
        return [f"-i {name}=...: there is no such layer; {did_you_mean(name, named, most=MOST)}" for name in unused]


def parse_given(texts: Iterable[str]) -> GivenShapes:
    """Read SHAPE and PATH=SHAPE. Raises UsageError with a line for every fault."""
    shapes: list[tuple[str, Shape]] = []
    whole: list[Shape] = []
    faults: list[str] = []
    for text in texts:
        path, sign, written = text.rpartition("=")
        try:
            shape = parse_shape(written)
            if sign:
                shapes.append((path.strip(), shape))
            else:
                whole.append(shape)
        except ConvcheckError as error:
            faults.append(f"-i {shown(text)}: {error}")
    if faults:
        raise UsageError("\n".join(faults))
    return GivenShapes(tuple(shapes), tuple(whole))
