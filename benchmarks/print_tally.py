"""What was found of models' prints, as numbers and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass
class Tally:
    """How many agree, cannot be read, and are read and wrong; why, by reason."""

    agree: int = 0
    unread: int = 0
    wrong: int = 0
    why: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another one."""
        self.agree += other.agree
        self.unread += other.unread
        self.wrong += other.wrong
        self.why += other.why
        self.faults += other.faults

    def cells(self) -> Iterator[str]:
        """Yield its numbers as the table has them."""
        total = self.agree + self.unread + self.wrong
        yield f"{self.agree:,} of {total:,}" + (f" ({self.agree / total:.1%})" if total else "")
        yield f"{self.unread:,}"
        yield f"{self.wrong:,}"


@dataclass
class Report:
    """What was found of a library's models, or of one."""

    models: int = 0
    leaves: Tally = field(default_factory=Tally)
    chains: Tally = field(default_factory=Tally)
    wholes: Tally = field(default_factory=Tally)
    not_run: list[str] = field(default_factory=list)

    def tallies(self) -> Mapping[str, Tally]:
        """Return the three of them by name."""
        return {"layers": self.leaves, "Sequentials": self.chains, "whole prints": self.wholes}


HEAD = ("library", "models", "of", "agree", "unread", "wrong")


def table(reports: Mapping[str, Report]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for library, report in reports.items():
        for number, (name, tally) in enumerate(report.tallies().items()):
            first = (library, str(report.models)) if number == 0 else ("", "")
            yield f"| {' | '.join((*first, name, *tally.cells()))} |"


def unread(report: Report) -> Iterator[str]:
    """Yield what is not read, and how often."""
    for name, tally in report.tallies().items():
        for why, count in tally.why.most_common():
            yield f"- {name}, {count:,}: {why}"
