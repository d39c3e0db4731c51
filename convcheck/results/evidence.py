"""What one kind of evidence says of a claim, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from convcheck.sizes.patterns import Shape

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
