"""Factors of axes: what an axis is a product of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Atom:
    """A factor of an axis of the target: so many steps, each of which moves along one axis of the source.

    `along` is the number of that axis; None where all steps have the same entry. `step` may be negative. `spread` is
    what is done to the atom in the end, such as zeros between its places.
    """

    target: int
    length: int
    along: int | None
    step: int
    spread: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Digit:
    """A factor of an axis of the source: an atom of the target, or, where there is none, the one of `length` places
    that is taken.
    """

    length: int
    atom: int | None
    place: int = 0
