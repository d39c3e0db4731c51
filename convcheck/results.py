"""The values that travel upwards: computed once, frozen, then only rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from convcheck.pictures import Picture
from convcheck.sizes.patterns import Shape, Shapes

T = TypeVar("T")


class Verdict(StrEnum):
    """The outcome of one claim."""

    EQUAL = "equal"
    DIFFERENT = "different"
    REFUSED = "refused"
    ERROR = "error"


class Agreement(StrEnum):
    """How two things compare under one kind of evidence."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    NOT_APPLICABLE = "not-applicable"


class Kind(StrEnum):
    """What a finding is about; the reasons of a result stand in this order."""

    REFUSAL = "refusal"
    """A precondition of the rewrite that does not hold."""
    CANNOT_RUN = "cannot-run"
    """Torch or this machine cannot do what the proof needs."""
    FAULT = "fault"
    """Convcheck itself failed, which says nothing about the claim."""
    INCONCLUSIVE = "inconclusive"
    """No exact evidence, and no bound that is well below the outputs."""
    WEIGHT_SHAPES = "weight-shapes"
    """Weights that do not fit the candidate."""
    LAYOUT = "layout"
    """The layout of a weight that would match, proved to."""
    DIFFERENCE = "difference"
    """How outputs that differ do so, such as a shift or a wrong order of channels."""
    LOCATION = "location"
    """The line of the user's at which the candidate leaves what the reference computes."""
    EXACT = "exact"
    GRADIENTS = "gradients"
    HELD_WEIGHTS = "held-weights"
    """Weights of the candidate's own that are not those of the reference, mapped."""
    ROUNDING = "rounding"
    PLATFORM = "platform"
    """A side that is farther from float64 than its roundings explain."""
    BOOKKEEPING = "bookkeeping"
    """Shapes, counts, and the way of the weights back."""
    SIZES = "sizes"
    """Sizes at which the sides differ, or for which nothing is proved; the verdict is about the shape at hand alone."""
    EXPECTATION = "expectation"
    """What the case expects, and what came out instead."""
    MAPPING = "mapping"
    """How weights move, and what that means for training."""
    WEIGHTS = "weights"
    """Where the weights of the run come from, and what is left out of a module."""
    CODE = "code"
    """What the user's own code does beside computing an output."""
    STRENGTH = "strength"
    """What the case leaves untested."""


@dataclass(frozen=True)
class Finding:
    """A reason for a verdict, or a note on it.

    A `weak` one says what the case leaves untested.
    """

    kind: Kind
    text: str
    weak: bool = False

    def __str__(self) -> str:
        return f"weak: {self.text}" if self.weak else self.text


@dataclass(frozen=True)
class Sides(Generic[T]):
    """The same fact about the reference and about the candidate."""

    reference: T
    candidate: T


@dataclass(frozen=True)
class Exact:
    """Agreement of the outputs on integer probes.

    `false_accept` bounds the probability that a wrong rewrite agrees on all of them.
    """

    status: Agreement = Agreement.NOT_APPLICABLE
    probes: int = 0
    false_accept: float | None = None


@dataclass(frozen=True)
class Gradients:
    """Agreement of the gradients on the same probes, each in the reference's own layout."""

    input: Agreement = Agreement.NOT_APPLICABLE
    weight: Agreement = Agreement.NOT_APPLICABLE
    bias: Agreement = Agreement.NOT_APPLICABLE

    @property
    def status(self) -> Agreement:
        """The three in one word."""
        parts = {self.input, self.weight, self.bias}
        if Agreement.DIFFERENT in parts:
            return Agreement.DIFFERENT
        return Agreement.IDENTICAL if Agreement.IDENTICAL in parts else Agreement.NOT_APPLICABLE


@dataclass(frozen=True)
class Worst:
    """The entry where error / bound is largest: its index, both values, and the bound there."""

    at: Shape
    values: Sides[float | None]
    bound: float | None


@dataclass(frozen=True)
class Deviation:
    """How far the outputs are apart in the asked dtype. A number that would be infinite or NaN is None.

    `max_abs` is the largest error; it stands at index `at`, and `bound` is the bound there (derived, or the tolerance
    that was given); `ulp` is the same error in units in the last place. `ratio` is the largest error / bound of all
    entries, which stands at `worst`; `max_rel` is the largest error relative to the reference.
    """

    max_abs: float | None = None
    at: Shape | None = None
    max_rel: float | None = None
    bound: float | None = None
    ratio: float | None = None
    ulp: float | None = None
    worst: Worst | None = None


class HeldStatus(StrEnum):
    """How a tensor that a candidate holds compares with the one that the mapping makes."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    MISSING = "missing"
    """The candidate holds none."""
    EXTRA = "extra"
    """The candidate has no place for it."""


@dataclass(frozen=True)
class HeldWeight:
    """A tensor that a candidate holds: in its dtype, `differ` of its `entries` are not the mapped ones.

    The first of these stands at index `at`. The largest distance is `max_abs`, roundings to that dtype included, and
    stands at `max_at`; it is None where it is infinite, or shapes differ.
    """

    status: HeldStatus
    entries: int = 0
    differ: int = 0
    at: Shape | None = None
    held: float | None = None
    mapped: float | None = None
    max_abs: float | None = None
    max_at: Shape | None = None
    why: str | None = None
    """What would explain the difference."""


class SizesStatus(StrEnum):
    """What is known of all sizes that the axes may have."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    NOT_ASKED = "not-asked"


@dataclass(frozen=True)
class SizesCounterexample:
    """The smallest sizes, by their sum, at which the sides differ, and the index of an output that does."""

    sizes: Mapping[str, int]
    at: Shape
    reason: str
    shapes: Sides[Shape] | None = field(default=None, repr=False)  # of the outputs, in no JSON


@dataclass(frozen=True)
class SizesProof:
    """What came of a proof for all sizes at which both sides run; by axis, such as `h`, or `input.2`.

    `free` has the smallest sizes of axes that may vary, `divisible` what some are a multiple of, `fixed` the others;
    `obstacle` was in the way of a proof, or of one that fixes less. `raises` says where one side alone does, `excepted`
    where both do not run though `free`, `divisible` and `fixed` allow it, `probed` what was compared and not proved.
    """

    status: SizesStatus = SizesStatus.NOT_ASKED
    free: Mapping[str, int] = field(default_factory=dict)
    divisible: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)
    obstacle: str | None = None
    counterexample: SizesCounterexample | None = None
    raises: Sides[str | None] = Sides(None, None)
    excepted: str | None = None
    probed: tuple[str, ...] = ()
    relations: Sides[tuple[str, ...]] = field(default=Sides((), ()), repr=False)  # texts for people, in no JSON
    certificate: str | None = field(default=None, repr=False)
    seconds: float = 0.0


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
