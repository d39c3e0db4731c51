"""Exact evidence for sides that are no polynomials: their parts are, between softmax, gelu and the like."""

from __future__ import annotations

from convcheck.proof.context import Context, Evidence
from convcheck.proof.parts.fields import Unproven
from convcheck.proof.parts.probe import InParts, probe
from convcheck.results import Agreement, Finding, Kind


def examine(context: Context) -> Evidence:
    """Compare both sides in parts. Where they are not the same in parts, nothing is concluded."""
    try:
        found = probe(context.pair, context.case.seed)
    except (Unproven, RuntimeError, MemoryError):
        # Torch may refuse an operator on such numbers, or for want of memory.
        return Evidence(Agreement.NOT_APPLICABLE)
    details = {"exact": found.exact, "gradients": found.gradients}
    if context.case.candidate is not None:
        details["evidence"] = "exact"
    return Evidence(Agreement.IDENTICAL, notes=(Finding(Kind.EXACT, _note(found)),), details=details)


def _note(found: InParts) -> str:
    """Say how the parts were compared."""
    if not found.cuts:
        return "exact: modulo primes, since its sums are too long, or its constants too fine, for whole numbers"
    *others, last = found.cuts
    cuts = f"{', '.join(others)} and {last}" if others else last
    return f"exact: in parts, cut at {cuts}; what goes in there and what is made of it is the same, modulo primes"
