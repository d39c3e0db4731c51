"""What claims that are proved one after the other have in common: the reference, and what it gave.

The rewrites of a case have one reference, and so have its dtypes but for float64, in which other weights are drawn. It
is built once, and where it is small it remembers what it gave, see `observations`, and the pairs that were made of it,
which remember their exact evidence. All of it goes with the next case.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from convcheck.proof.observations import is_small
from convcheck.sides.side import Side

MOST = 2
"""How many references are kept: of a case whose dtypes take turns, that with weights of float64, and the other."""


@dataclass
class Shared:
    """The references that were built last."""

    references: dict[Hashable, Side] = field(default_factory=dict)

    def reference(self, key: Hashable, build: Callable[[], Side]) -> Side:
        """Return the reference of this key; it is built where none was."""
        side = self.references.pop(key, None)
        if side is None:
            side = build()
            if not is_small(side):
                return side
        self.references[key] = side
        while len(self.references) > MOST:
            del self.references[next(iter(self.references))]
        return side
