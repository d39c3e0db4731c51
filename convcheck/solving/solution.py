"""What comes of the search for a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from convcheck.results import Result, Sides


class Status(StrEnum):
    """Whether a mapping is known."""

    FOUND = "found"
    NOT_UNIQUE = "not-unique"
    NONE = "none"


@dataclass(frozen=True)
class Written:
    """Where a tensor of the candidate comes from: what of, and as a pattern or another text; the other is None."""

    sources: tuple[str, ...]
    pattern: str | None
    text: str | None

    def __str__(self) -> str:
        return self.pattern or self.text or ""

    def fields(self) -> dict[str, object]:
        """Return what a program gets, by its names there."""
        kind = "text" if self.pattern is None else "pattern"
        return {"from": self.sources, kind: str(self)}


@dataclass(frozen=True)
class Solution:
    """A mapping from the tensors of a reference to those of a candidate, or why there is none."""

    reference: str
    candidate: str
    status: Status
    map: Mapping[str, Written] = field(default_factory=dict)
    code: str | None = None
    """Python that defines `convert`, from the reference's state dict to the candidate's."""
    exchangeable: tuple[str, ...] = ()
    """What could as well be mapped otherwise."""
    unmatched: Sides[tuple[str, ...]] = Sides((), ())
    """The tensors that have no partner."""
    reason: str | None = None
    """Why there is no mapping, or how near one comes."""
    result: Result | None = None
    """The proof of the mapping."""
    seconds: float = 0.0

    def fields(self) -> dict[str, object]:
        """Return what a program gets, by its names there."""
        return {
            "reference": self.reference,
            "candidate": self.candidate,
            "status": self.status,
            "map": {name: written.fields() for name, written in self.map.items()},
            "code": self.code,
            "exchangeable": self.exchangeable,
            "unmatched": self.unmatched,
            "reason": self.reason,
            "result": self.result,
            "seconds": self.seconds,
        }
