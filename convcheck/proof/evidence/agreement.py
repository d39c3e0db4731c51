"""Tells whether both sides agree: what is suggested in place of a case was proved by this before."""

from __future__ import annotations

from convcheck.config.case import Case
from convcheck.proof.evidence import integer_probes, stand_in
from convcheck.proof.pair import Pair
from convcheck.results import Agreement


def agree(pair: Pair, case: Case) -> bool:
    """Tell whether both sides agree on integers, or in float64 where integers cannot probe them.

    Raises:
        CannotRunError: torch cannot run a side.
    """
    evidence = integer_probes.probe(pair, case.seed)
    if evidence.status is Agreement.NOT_APPLICABLE:
        return stand_in.agree(pair, case)
    return evidence.status is Agreement.IDENTICAL and not evidence.findings
