"""What came of a proof for all sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from convcheck.results.evidence import Sides
from convcheck.sizes.patterns import Shape


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
