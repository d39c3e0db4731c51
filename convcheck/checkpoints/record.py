"""What became of the tensors of a checkpoint. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from convcheck.results import Result


@dataclass(frozen=True)
class Loss:
    """What a tensor lost when it was stored in another dtype."""

    before: str
    after: str
    entries: int
    changed: int
    """How many entries are another number now."""
    zeroed: int
    """How many of these are zero now."""
    max_abs: float
    max_rel: float
    """Of entries that are not zero now."""

    def __str__(self) -> str:
        if not self.changed:
            return f"{self.before} -> {self.after}: nothing lost"
        zeroed = f", {self.zeroed:,} became 0" if self.zeroed else ""
        return (
            f"{self.before} -> {self.after}: {self.changed:,} of {self.entries:,} entries rounded{zeroed}, "
            f"by {self.max_abs:.3g} at most, relatively {self.max_rel:.3g}"
        )


@dataclass(frozen=True)
class Moved:
    """Where a tensor comes from, and how: the patterns of the way from the reference to the candidate."""

    sources: tuple[str, ...]
    pattern: str

    def fields(self) -> dict[str, object]:
        """Return what a program gets, by its names there."""
        return {"from": self.sources, "pattern": self.pattern}


@dataclass(frozen=True)
class Transplanted:
    """What was done; `result` is the proof of the mapping, and `verified` whether all of the file was found right."""

    file: str
    source: str
    inverse: bool
    moved: Mapping[str, Moved]
    copied: int
    renamed: Mapping[str, str]
    dropped: tuple[str, ...]
    result: Result
    losses: Mapping[str, Loss] = field(default_factory=dict)
    size: int = 0
    """Bytes of all tensors."""
    verified: bool = False
    nest: str | None = None
    """Under which name of a saved dict the tensors of the source stand."""
    beside: tuple[str, ...] = ()
    """What else that dict holds, which is not written."""

    def fields(self) -> dict[str, object]:
        """Return what a program gets, by its names there."""
        return {
            "file": self.file if self.verified else None,
            "source": self.source,
            "verified": self.verified,
            "inverse": self.inverse,
            "moved": {key: moved.fields() for key, moved in self.moved.items()},
            "copied": self.copied,
            "renamed": self.renamed,
            "dropped": self.dropped,
            "nest": self.nest,
            "beside": self.beside,
            "losses": self.losses,
            "bytes": self.size,
            "result": self.result,
        }
