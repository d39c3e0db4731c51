"""A claim to a Result: both sides are built once, every kind of evidence looks at them, and a verdict is drawn."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence

from convcheck.catalogue.claims import Claim
from convcheck.proof import memory
from convcheck.proof.evidence import bookkeeping, floating_point, integer_probes, layout
from convcheck.proof.evidence.pair import CannotRunError, Pair, build_pair
from convcheck.proof.evidence.samples import Point
from convcheck.proof.reproduce import command
from convcheck.results import Agreement, Finding, Kind, Result, Sides, Verdict
from convcheck.rewriting.rewrite import parameter_count

_DRIFT = "the claimed transplant copies values, and training lets the copies drift apart"


def as_drawn(point: Point) -> Point:
    """Change nothing."""
    return point


def verify(claim: Claim, at: Callable[[Point], Point] = as_drawn, notes: Sequence[str] = ()) -> Result:
    """Put one claim to the test. What torch cannot do becomes an `error` verdict, never an exception.

    The run in the asked dtype is on inputs and parameters that are drawn; `at` may change them, and `notes` are what is
    to be said of that.
    """
    start = time.perf_counter()
    result = _known(claim)
    if claim.refusals:
        result = dataclasses.replace(result, verdict=Verdict.REFUSED, reasons=_findings(Kind.REFUSAL, claim.refusals))
    elif too_large := _too_large(claim):
        # That this machine is too small says nothing of the claim.
        result = dataclasses.replace(
            result, verdict=Verdict.ERROR, reasons=_findings(Kind.CANNOT_RUN, [f"could not be run: {too_large}"])
        )
    else:
        try:
            result = _prove(
                claim, dataclasses.replace(result, notes=(*result.notes, *_findings(Kind.WEIGHTS, notes))), at
            )
        except CannotRunError as error:
            result = dataclasses.replace(
                result, verdict=Verdict.ERROR, reasons=_findings(Kind.CANNOT_RUN, [f"could not be run: {error}"])
            )
    return dataclasses.replace(_judged(claim, result), seconds=time.perf_counter() - start)


def _too_large(claim: Claim) -> str | None:
    """Say by how much this machine's memory is too small for the proof."""
    needed, free = memory.needed(claim), memory.available()
    if needed <= free:
        return None
    return (
        f"the proof needs about {memory.write_bytes(needed)} of memory, and {memory.write_bytes(free)} are free; "
        "fewer channels or a smaller input would do"
    )


def _known(claim: Claim) -> Result:
    """Return what numbers alone say of a claim, before anything is built."""
    case, layer, rewrite = claim.case, claim.case.layer, claim.rewrite
    own = layer.parameters()
    result = Result(
        case=case.name,
        source=case.source,
        layer=str(layer),
        rewrite=claim.name,
        input=case.inputs,
        dtype=case.dtype,
        device=case.device,
        seed=case.seed,
        verdict=Verdict.ERROR,
        expected=case.expect.verdict,
        ok=False,
        reproduce=command(claim),
        output_shape=Sides(layer.output_shape(*case.inputs), None),
        params=Sides(parameter_count(own), None),
        macs=Sides(layer.macs(*case.inputs), None),
    )
    if rewrite is None or claim.refusals:
        return result
    transplant = claim.transplant()
    one_to_one = transplant.one_to_one()
    return dataclasses.replace(
        result,
        params=Sides(parameter_count(own), parameter_count(transplant.shapes())),
        macs=Sides(layer.macs(*case.inputs), rewrite.macs(layer, *case.inputs)),
        one_to_one=one_to_one,
        transplant=transplant.describe(),
        notes=() if one_to_one else (Finding(Kind.MAPPING, f"not one-to-one: {rewrite.training or _DRIFT}"),),
    )


def _prove(claim: Claim, known: Result, at: Callable[[Point], Point]) -> Result:
    case, rewrite = claim.case, claim.rewrite
    assert rewrite is not None
    pair = build_pair(claim)
    misfits = list(bookkeeping.layout_faults(pair))
    if misfits:
        right = _corrections(claim, pair)
        return dataclasses.replace(
            known,
            verdict=Verdict.DIFFERENT,
            reasons=(*_findings(Kind.BOOKKEEPING, misfits), *_findings(Kind.LAYOUT, right)),
            suggestion=right[0].right if right else None,
        )
    said = integer_probes.examine(pair, case.seed)
    point = at(floating_point.draw(pair, case))
    seen = floating_point.measure(pair, case, point, said.terms, rewrite)
    faults = [
        *said.faults,
        *_findings(Kind.ROUNDING, seen.faults),
        *_findings(Kind.BOOKKEEPING, bookkeeping.faults(pair, known, seen.shapes)),
    ]
    same = said.exact.status is Agreement.IDENTICAL
    narrow = case.dtype != "float64"
    if narrow and (case.layer.degree() is None or rewrite.transform is not None):
        # Where no exact argument exists, float64 has to do for it; and where one was rounded to integers, which small
        # faults do not survive, it finds these.
        wide = dataclasses.replace(case, dtype="float64")
        wider = floating_point.measure(pair, wide, at(floating_point.draw(pair, wide)), said.terms, rewrite).faults
        faults += _findings(Kind.ROUNDING, wider)
        same = not wider and said.exact.status is not Agreement.DIFFERENT
    if same and seen.off:
        told = "on integers" if said.exact.status is Agreement.IDENTICAL else "in float64"
        agree = f"both agree {told}, so the rewrite is right, and the arithmetic of this platform is off"
        faults += _findings(Kind.PLATFORM, [*seen.off, agree])
    right = _corrections(claim, pair) if said.exact.status is Agreement.DIFFERENT else ()
    # What mends it is all that a reader needs; without that, what can be seen.
    first = _findings(Kind.LAYOUT, right) if right else _findings(Kind.DIFFERENCE, said.seen)
    return dataclasses.replace(
        known,
        verdict=Verdict.DIFFERENT if faults else Verdict.EQUAL,
        reasons=(*first, *faults),
        suggestion=right[0].right if right else None,
        output_shape=seen.shapes,
        exact=said.exact,
        gradients=said.gradients,
        error=seen.deviation,
        referee=seen.referee,
        notes=(*known.notes, *said.notes, *seen.notes),
    )


def _corrections(claim: Claim, pair: Pair) -> tuple[layout.Correction, ...]:
    """Return what would have to change in the layout of the weights for both sides to agree."""
    case, rewrite = claim.case, claim.rewrite
    assert rewrite is not None
    return layout.corrections(pair, rewrite.transplant(case.layer, case.inputs, case.order), case.seed)


def _judged(claim: Claim, result: Result) -> Result:
    """Hold the result against what the case expects, and say what is missed."""
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
    reasons = (*result.reasons, *_findings(Kind.EXPECTATION, missed))
    return dataclasses.replace(result, ok=as_expected and not missed, reasons=reasons)


def _findings(kind: Kind, texts: Iterable[object]) -> tuple[Finding, ...]:
    return tuple(Finding(kind, str(text)) for text in texts)
