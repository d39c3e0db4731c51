"""Holds a result against what its case expects."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.proof.evidence import all_sizes
from convcheck.results import Finding, Kind, Result, SizesStatus, Verdict


def judge(claim: Claim, result: Result) -> Result:
    """Return the result compared with the case's expectations; misses are reasons. Reasons are sorted by kind."""
    expect = claim.case.expect
    missed = []
    if expect.output is not None and result.output_shape.reference != expect.output:
        missed.append(f"expected the output {list(expect.output)}, got {list(result.output_shape.reference or ())}")
    for side in ("reference", "candidate"):
        wanted, counted = getattr(expect.params, side), getattr(result.params, side)
        if wanted is not None and counted is not None and wanted != counted:
            missed.append(f"expected {wanted} parameters in the {side}, got {counted}")
    as_expected = result.verdict is expect.verdict
    if claim.case.strict and result.verdict is Verdict.EQUAL and result.weaknesses:
        missed.append("the case is weak, and strict asks for one that could tell a wrong rewrite")
    if not as_expected and expect.verdict is not Verdict.EQUAL:
        missed.insert(0, f"expected {expect.verdict}, got {result.verdict}")
    unproved = result.sizes.status not in _expected_sizes(claim)
    if unproved and expect.sizes is not None:
        missed.append(f"expected {expect.sizes} for all sizes, got {result.sizes.status}")
    reasons = [*result.reasons, *(Finding(Kind.EXPECTATION, text) for text in missed)]
    if (unproved and as_expected) or result.sizes.counterexample is not None:
        reasons += all_sizes.findings(result.sizes, claim.case)
    kinds = list(Kind)
    reasons.sort(key=lambda reason: kinds.index(reason.kind))
    ok = as_expected and not missed and not unproved
    place = None if ok else claim.case.place(*_keys_at_fault(claim.case, result))
    return replace(result, ok=ok, reasons=tuple(reasons), place=place)


def _expected_sizes(claim: Claim) -> Set[SizesStatus]:
    """Return what may come of a proof for all sizes.

    Rewrites that nobody named may stay unknown, and what is to be different at hand is not equal for all sizes either.
    """
    expect = claim.case.expect
    if not claim.case.all_sizes or (expect.sizes is None and expect.verdict is not Verdict.EQUAL):
        return frozenset(SizesStatus)
    if expect.sizes is not None:
        return {expect.sizes}
    return {SizesStatus.PROVED} if claim.named else {SizesStatus.PROVED, SizesStatus.UNKNOWN}


def _keys_at_fault(case: Case, result: Result) -> Iterator[tuple[str, ...]]:
    """Yield the keys of a case that a result speaks of, the likeliest first."""
    if result.verdict is Verdict.REFUSED and case.candidate is not None and case.candidate.layout_problem(case.inputs):
        yield ("layout",)
    if result.verdict is Verdict.DIFFERENT and case.expect.verdict is not Verdict.DIFFERENT:
        key, given = ("transplant", case.transplant) if case.candidate is None else ("map", case.candidate.map)
        corrected = (name for name, text in result.suggestions.items() if text != str(given.get(name)))
        yield from ((key, name) for name in corrected)
        if result.suggested_layout is not None:
            yield ("layout",)
        yield from (("transplant",), ("order",), ("candidate",))
    if result.sizes.status is not SizesStatus.NOT_ASKED and case.expect.sizes is None:
        yield ("sizes",)
    yield ("expect",)
