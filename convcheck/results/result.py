"""What is known of a claim in the end, and of all claims of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from convcheck.results.all_sizes import SizesProof, SizesStatus
from convcheck.results.evidence import (
    Agreement,
    Deviation,
    Exact,
    Finding,
    Gradients,
    HeldWeight,
    Kind,
    Sides,
    Verdict,
)
from convcheck.results.pictures import Picture
from convcheck.sizes.patterns import Shape, Shapes


@dataclass(frozen=True, repr=False)
class Result:
    """The outcome of one case with one rewrite. Fields that could not be computed are None."""

    case: str
    source: str | None
    layer: str
    rewrite: str | None
    """None for a candidate of the user's own."""
    input: Shapes
    dtype: str
    device: str
    seed: int
    verdict: Verdict
    expected: Verdict
    ok: bool
    reproduce: str
    seconds: float = 0.0
    reasons: tuple[Finding, ...] = ()
    suggestion: str | None = None
    """The layout that matches, of the first parameter that was laid out wrongly."""
    suggestions: Mapping[str, str] = field(default_factory=dict)
    """The whole transplant that matches, by the reference's parameters; empty where none was found."""
    suggested_layout: str | None = None
    """The layout of a candidate's output that matches; None where it is not that alone which differs."""
    in_python: bool = field(default=False, repr=False)  # in no JSON
    """Whether the claim was made by a call, and neither by options nor in a config, which `source` names."""
    output_shape: Sides[Shape | None] = Sides(None, None)
    params: Sides[int | None] = Sides(None, None)
    macs: Sides[int | None] = Sides(None, None)
    exact: Exact = Exact()
    one_to_one: bool = False
    gradients: Gradients = Gradients()
    sizes: SizesProof = SizesProof()
    error: Deviation = Deviation()
    referee: Sides[float | None] = Sides(None, None)
    transplant: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Finding, ...] = ()
    reference: str | None = None
    """The sides, the map and the kind of evidence of a candidate of the user's own; None for a rewrite."""
    candidate: str | None = None
    map: Mapping[str, str] | None = None
    evidence: str | None = None
    layout: str | None = field(default=None, repr=False)  # in no JSON
    """How the candidate's output is laid out; None where it is as it is."""
    map_solved: bool = field(default=False, repr=False)  # in JSON it is a note
    """Whether the map was found, where none was given."""
    held_weights: Mapping[str, HeldWeight] | None = None
    """The candidate's own tensors by name, against the mapped ones; None where they are not compared."""
    place: str | None = None
    """`file:line` of what a config would have to change, where the result is not as expected."""
    figure: str | None = None
    """The file of its picture, in the folder that `--figure` names, written as it was named there: a relative path is
    seen from the folder that convcheck was started in. None where none was asked for, or there is none to draw."""
    picture: Picture | None = field(default=None, repr=False)
    """What a picture shows, where one was asked for; in no JSON."""

    def __repr__(self) -> str:
        """Return one line, which is what pytest shows of a failed assertion."""
        cause = f": {self.reasons[0]}" if self.reasons else ""
        return f"<Result {self.title} {self.verdict}{cause}>"

    @property
    def title(self) -> str:
        """The name of the case, and of the rewrite that it was tried with, as `--list` prints them."""
        return f"{self.case}[{self.rewrite}]" if self.rewrite else self.case

    def __str__(self) -> str:
        """Return what the row of a table says, and under it the reasons, and the command that repeats what failed."""
        row = [f"{self.verdict}: {self.title}"]
        if self.error.max_abs is not None:
            bound = "-" if self.error.bound is None else f"{self.error.bound:.4g}"
            row += [f"max abs error {self.error.max_abs:.4g} / bound {bound}"]
        measured = {"exact": self.exact.status, "gradients": self.gradients.status}
        row += [f"{name} {status}" for name, status in measured.items() if status is not Agreement.NOT_APPLICABLE]
        row += [] if self.sizes.status is SizesStatus.NOT_ASKED else [f"all sizes {self.sizes.status}"]
        row += ["as expected"] if self.ok and self.reasons else []
        row += ["weak"] if self.weaknesses else []
        again = [] if self.ok else [f"again: {self.reproduce}"]
        return "\n    ".join([", ".join(row), *map(str, self.reasons), *again])

    @property
    def reason(self) -> str | None:
        """All reasons as one text; None where there is none."""
        return "; ".join(map(str, self.reasons)) or None

    @property
    def is_fault(self) -> bool:
        """Whether convcheck itself failed on the claim."""
        return any(reason.kind is Kind.FAULT for reason in self.reasons)

    @property
    def weaknesses(self) -> tuple[Finding, ...]:
        """The notes that say what the case leaves untested."""
        return tuple(note for note in self.notes if note.weak)


@dataclass(frozen=True)
class Tool:
    """The versions and the machine that gave the results."""

    convcheck: str
    torch: str
    python: str
    device: str
    threads: int


@dataclass(frozen=True)
class Report:
    """All results of one run."""

    tool: Tool
    results: tuple[Result, ...]
    interrupted: bool = False
    """Whether the user cut the run short; the results are those that were finished."""
    untried: int = 0
    """How many claims were not tried, because the run was stopped or stopped itself."""
    seconds: float = 0.0
    """The wall time of the run, with the time for loading torch."""

    @property
    def ok(self) -> bool:
        """Whether every claim was tried, and every verdict is as expected."""
        return not self.interrupted and all(result.ok for result in self.results)

    def count(self) -> dict[str, int]:
        """Return how many results there are of every verdict, and how many were not expected."""
        counts = Counter(result.verdict for result in self.results)
        verdicts = {str(verdict): counts[verdict] for verdict in Verdict}
        return {"total": len(self.results), **verdicts, "unexpected": sum(not r.ok for r in self.results)}
