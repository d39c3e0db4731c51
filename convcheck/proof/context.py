"""The argument and the return value of every kind of evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Result


@dataclass(frozen=True)
class Evidence:
    """The result of one kind of evidence. Every finding is a reason against the claim."""

    status: Agreement
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the result, by name."""


@dataclass(frozen=True)
class Context:
    """A claim, both of its sides, and the result as far as it is known."""

    claim: Claim
    pair: Pair
    result: Result

    @property
    def case(self) -> Case:
        return self.claim.case

    def joined(self, evidence: Evidence) -> Context:
        """Return the context with one more kind of evidence in its result."""
        if not (evidence.findings or evidence.notes or evidence.details):
            return self
        result = replace(
            self.result,
            reasons=(*self.result.reasons, *evidence.findings),
            notes=(*self.result.notes, *evidence.notes),
            **evidence.details,
        )
        return Context(self.claim, self.pair, result)


Examine = Callable[[Context], Evidence]
