"""A claim to a Result: both sides are built once, every kind of evidence looks at them, and a verdict is drawn."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from convcheck import memory
from convcheck.claims import Claim
from convcheck.evidence import bookkeeping, logic, numbers
from convcheck.evidence.pair import CannotRunError, Pair, build_pair
from convcheck.evidence.points import Point
from convcheck.reproduce import command
from convcheck.results import Agreement, Result, Sides, Verdict
from convcheck.rewrite import parameter_count

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
    machine = _too_large(claim)
    refusals = [*claim.refusals, *machine]
    if refusals:
        result = dataclasses.replace(result, verdict=Verdict.REFUSED, reason="; ".join(refusals))
    else:
        try:
            result = _prove(claim, dataclasses.replace(result, notes=(*result.notes, *notes)), at)
        except CannotRunError as error:
            result = dataclasses.replace(result, verdict=Verdict.ERROR, reason=f"could not be run: {error}")
    result = _judged(claim, result)
    if machine and not claim.refusals:
        # That this machine is too small says nothing of the claim, so no case can expect it.
        spoken = (
            f"{result.reason}; this machine's memory is no refusal that a case can expect"
            if result.ok
            else result.reason
        )
        result = dataclasses.replace(result, ok=False, reason=spoken)
    return dataclasses.replace(result, seconds=time.perf_counter() - start)


def _too_large(claim: Claim) -> list[str]:
    needed, free = memory.needed(claim), memory.available()
    if needed <= free:
        return []
    return [
        f"memory: the proof needs about {memory.write_bytes(needed)}, and {memory.write_bytes(free)} are free "
        "(fewer channels or a smaller input would do)"
    ]


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
        notes=() if one_to_one else (f"not one-to-one: {rewrite.training or _DRIFT}",),
    )


def _prove(claim: Claim, known: Result, at: Callable[[Point], Point]) -> Result:
    case, rewrite = claim.case, claim.rewrite
    assert rewrite is not None
    pair = build_pair(claim)
    misfits = list(bookkeeping.layout_faults(pair))
    if misfits:
        return dataclasses.replace(known, verdict=Verdict.DIFFERENT, reason="; ".join(misfits))
    said = logic.examine(pair, case.seed)
    point = at(numbers.draw(pair, case))
    seen = numbers.measure(pair, case, point, said.terms, rewrite)
    faults = [*said.faults, *seen.faults, *bookkeeping.faults(pair, known, seen.shapes)]
    if case.layer.degree() is None and case.dtype != "float64":
        # Where no exact argument exists, float64 has to do for it.
        wide = dataclasses.replace(case, dtype="float64")
        faults += numbers.measure(pair, wide, at(numbers.draw(pair, wide)), said.terms, rewrite).faults
    suggested = _suggested(claim, pair) if said.exact.status is Agreement.DIFFERENT else ()
    faults += [
        f"{source} was laid out as '{claimed}', and '{right}' matches exactly" for source, claimed, right in suggested
    ]
    return dataclasses.replace(
        known,
        verdict=Verdict.DIFFERENT if faults else Verdict.EQUAL,
        reason="; ".join(faults) or None,
        suggestion=suggested[0][2] if suggested else None,
        output_shape=seen.shapes,
        exact=said.exact,
        gradients=said.gradients,
        error=seen.deviation,
        referee=seen.referee,
        notes=(*known.notes, *said.notes, *seen.notes),
    )


def _suggested(claim: Claim, pair: Pair) -> tuple[tuple[str, str, str], ...]:
    """Return (parameter, claimed pattern, right pattern) for each wrong pattern that a claim brought.

    The right ones are the catalogue's, if they are proved to match.
    """
    case, rewrite = claim.case, claim.rewrite
    if rewrite is None or not case.transplant:
        return ()
    usual = rewrite.transplant(case.layer, case.inputs, case.order)
    mended = logic.examine(dataclasses.replace(pair, transplant=usual), case.seed)
    if mended.exact.status is not Agreement.IDENTICAL:
        return ()
    return tuple(
        (ours.sources[0], str(theirs), str(ours))
        for ours, theirs in zip(usual.moves, pair.transplant.moves, strict=True)
        if str(ours) != str(theirs)
    )


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
    if not as_expected and expect.verdict is not Verdict.EQUAL:
        missed.insert(0, f"expected {expect.verdict}, got {result.verdict}")
    reason = "; ".join([*([result.reason] if result.reason else []), *missed]) or None
    return dataclasses.replace(result, ok=as_expected and not missed, reason=reason)
