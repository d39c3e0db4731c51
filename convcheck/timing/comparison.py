"""What comes of timing both sides. Imports no torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from enum import StrEnum

from convcheck.results import Tool, Verdict
from convcheck.timing.intervals import Said, Spread


class Pass(StrEnum):
    """Which way a side is run."""

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True)
class Cost:
    """What one side takes: seconds, half of the rounds between `low` and `high`; `cold` is its first call.

    `peak_bytes` is the most memory that it allocates beside inputs and weights, backwards together with the forward
    pass before it. None stands where something is not known, as the operations of a backward pass.
    """

    median: float
    low: float
    high: float
    cold: float
    gflops: float | None
    gb_per_s: float | None
    peak_bytes: int | None


@dataclass(frozen=True)
class Comparison:
    """Both sides of one claim, timed in one way. `ratio` is reference / candidate, with its 95 % interval."""

    case: str
    rewrite: str | None
    dtype: str
    threads: int
    device: str
    direction: Pass
    channels_last: bool
    compile: bool
    rounds: int
    reference: Cost
    candidate: Cost
    ratio: Spread
    said: Said

    def fields(self) -> dict[str, object]:
        """Return what a program gets, by its names there."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        names = {"direction": "pass"}
        return {names.get(name, name): value for name, value in values.items()} | {"ratio": self.ratio._asdict()}


@dataclass(frozen=True)
class NotTimed:
    """A claim that does not hold, or that was proved and cannot be run in the way that was asked for."""

    case: str
    rewrite: str | None
    dtype: str
    device: str
    verdict: Verdict
    reason: str | None
    reproduce: str


@dataclass(frozen=True)
class Settings:
    """In which ways claims are timed."""

    threads: tuple[int, ...]
    directions: tuple[Pass, ...] = (Pass.FORWARD,)
    channels_last: bool = False
    compile: bool = False

    @property
    def ways(self) -> list[tuple[int, Pass]]:
        """Every number of threads with every direction."""
        return [(threads, direction) for threads in self.threads for direction in self.directions]


@dataclass(frozen=True)
class Benchmark:
    """All that was timed in one run, and what was not."""

    tool: Tool
    comparisons: tuple[Comparison, ...]
    not_timed: tuple[NotTimed, ...]
    interrupted: bool = False
    untried: int = 0
    """How many claims are missing, because the user cut the run short."""

    @property
    def ok(self) -> bool:
        """Whether everything was timed."""
        return not self.interrupted and not self.not_timed

    def count(self) -> dict[str, int]:
        """Return how many comparisons there are, what they say, and how many claims were not timed."""
        counts = Counter(comparison.said for comparison in self.comparisons)
        words = {str(said): counts[said] for said in Said}
        return {"total": len(self.comparisons), **words, "not timed": len(self.not_timed)}

    def fields(self) -> dict[str, object]:
        """Return what a program gets, by its names there."""
        return {
            "tool": self.tool,
            "ok": self.ok,
            "interrupted": self.interrupted,
            "untried": self.untried,
            "summary": self.count(),
            "results": [comparison.fields() for comparison in self.comparisons],
            "not_timed": self.not_timed,
        }
