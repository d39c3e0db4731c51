"""Runs both sides in the asked dtype and compares their distance with the bound; float64 is the referee."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from convcheck.config.case import Case, Tolerance
from convcheck.errors import CannotRunError
from convcheck.proof.build_pair import weights_of
from convcheck.proof.context import Context, Evidence
from convcheck.proof.devices import missing
from convcheck.proof.evidence import finite, rounding
from convcheck.proof.evidence.exact import unlike_shapes
from convcheck.proof.evidence.part_of_run import SIDES, PartOfRun, compare_in_parts
from convcheck.proof.evidence.reference_runs import run_reference
from convcheck.proof.observations import remembered, stream
from convcheck.proof.pair import Pair, drawn_in
from convcheck.proof.pictures.watch import watch_of
from convcheck.proof.real_weights import with_real_weights
from convcheck.results import Agreement, Deviation, Finding, Kind, Sides
from convcheck.results.pictures import Detail, Picture, Spread
from convcheck.rounding.precision import arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import torch_may_refuse
from convcheck.sizes.patterns import Shape

IDLE = 4.0
"""A bound that is so many times the outputs, on average, tells nothing: where a hundred outputs are compared with
others that have nothing to do with them, the worst are about so far apart."""

HALF_PRECISION = ("bfloat16", "float16")


@dataclass(frozen=True)
class Measurement:
    """The result of one run in one dtype.

    `referee` holds the rms error of each side against float64, where that is wider. `faults` are sentences.
    `platform_faults`, if both sides are too far apart, say which is farther from float64 than its roundings explain.
    """

    deviation: Deviation
    referee: Sides[float | None]
    shapes: Sides[Shape | None]
    faults: tuple[str, ...] = ()
    platform_faults: tuple[str, ...] = ()
    notes: tuple[Finding, ...] = ()
    looseness: float | None = None
    """The bound, or the tolerance, over the outputs, both on average; None where all outputs are zero."""
    spread: Spread | None = None
    """How errors are spread, where that was asked for."""


def examine(context: Context) -> Evidence:
    """Compare both sides in the asked dtype, on the weights that the case brings, if it brings any."""
    pair, case, result = context.pair, context.case, context.result
    drawn = with_real_weights(draw(pair, case), case)
    watching = case.detail is not Detail.NONE
    measured = measure(pair, case, drawn, watching=watching)
    # Other shapes were seen before.
    same = measured.shapes.reference == measured.shapes.candidate
    findings = [Finding(Kind.ROUNDING, text) for text in measured.faults if same]
    exact = result.exact.status
    agree = "on integers" if exact is Agreement.IDENTICAL else "in float64"
    doubted = any(reason.kind in (Kind.ROUNDING, Kind.INCONCLUSIVE) for reason in result.reasons)
    if measured.platform_faults and exact is not Agreement.DIFFERENT and not doubted:
        dtype = getattr(torch, case.dtype)
        rounded = drawn.to(torch.device("cpu"), dtype).to(torch.device("cpu"), torch.float64)
        # What overflows on the way may come out finite, as behind a division.
        finite.check_between(case.dtype, arithmetic(dtype, _device(case.device)), rounded, pair)
        conclusion = f"both agree {agree}, so the rewrite is right, and the arithmetic of this platform is off"
        findings += [Finding(Kind.PLATFORM, text) for text in (*measured.platform_faults, conclusion)]
    notes = list(measured.notes)
    loose = idle(case, measured)
    if loose and not (findings or result.reasons):
        # Half a precision is too little for the softmax of an attention of some width, if float64 tells on its numbers.
        inherent = pair.reference.degree is None and case.dtype in HALF_PRECISION and case.tolerance is None
        if inherent:
            wide = in_float64(case)
            inherent = idle(wide, measure(pair, wide, drawn)) is None
        notes.append(Finding(Kind.ROUNDING, f"{loose}; what tells is that both agree {agree}", weak=not inherent))
    details: dict[str, Any] = {
        "error": measured.deviation,
        "referee": measured.referee,
        "output_shape": measured.shapes,
    }
    if watching:
        details["picture"] = Picture(measured.spread)
    return Evidence(Agreement.DIFFERENT if findings else Agreement.IDENTICAL, tuple(findings), tuple(notes), details)


def idle(case: Case, measured: Measurement) -> str | None:
    """Return a sentence on a bound, or a tolerance, that is so loose that it tells nothing; None if it is not."""
    looseness = measured.looseness
    if looseness is None or looseness < IDLE:
        return None
    limit = "bound" if case.tolerance is None else "tolerance"
    times = f"{looseness:.3g} times" if math.isfinite(looseness) else "beyond all measure of"
    return f"in {case.dtype} the {limit} is {times} the outputs, so others would be within it, too"


def in_float64(case: Case) -> Case:
    """Return the case as it is about the function: in float64, on the CPU, within the derived bound."""
    return replace(case, dtype="float64", device="cpu", tolerance=None)


def draw(pair: Pair, case: Case) -> Sample:
    """Return normal inputs, and the reference's own parameters: torch's initialisation, from the case's seed."""
    side, dtype = pair.reference, drawn_in(case.dtype)

    def compute() -> Sample:
        # Not the stream of the parameters, which torch begins with the seed itself: the two would be correlated.
        return samples.normals(side, weights_of(side, case), dtype, stream(case.seed, 700_001))

    return remembered(side, ("normals", dtype, case.seed), compute)


def measure(pair: Pair, case: Case, drawn: Sample, *, watching: bool = False) -> Measurement:
    """Run both sides on the numbers of a sample, rounded to the asked dtype, and compare.

    Both run once on the whole batch; what float64 says of it, and the bound, are of one part after the other.
    Where `watching`, how errors are spread is counted as well.

    Raises:
        CannotRunError: torch cannot run this dtype on this device, or the dtype cannot hold the numbers.
    """
    dtype, device = getattr(torch, case.dtype), _device(case.device)
    unit = arithmetic(dtype, device)
    with torch_may_refuse(), torch.no_grad():
        ours = run_reference(pair, drawn, dtype, device)
        outputs = Sides(ours.output, pair.run_candidate(ours.sample).cpu())
    shapes: Sides[Shape | None] = Sides(tuple(outputs.reference.shape), tuple(outputs.candidate.shape))
    if shapes.reference != shapes.candidate:
        # On integers it was seen before.
        fault = (unlike_shapes(shapes.reference, shapes.candidate),)
        return Measurement(Deviation(), Sides(None, None), shapes, fault if pair.reference.degree is None else ())
    broken, impossible = tuple(finite.faults(drawn)), tuple(finite.variance_faults(pair.reference, drawn))
    telling = not (broken or impossible)
    watch = watch_of(pair.reference.output_axes, outputs.reference) if watching else None
    parts = [*compare_in_parts(pair, case, unit, ours, outputs.candidate, telling=telling, watch=watch)]
    losing = dict.fromkeys(part.losing for part in parts if part.losing)
    notes = [Finding(Kind.ROUNDING, note) for note in (*unit.notes, *losing)]
    if case.tolerance is not None:
        notes.append(Finding(Kind.ROUNDING, _tolerance_note(case.tolerance, max(part.looser for part in parts))))
    deviation = rounding.joined([part.deviation for part in parts])
    unknown = [name for name in ("max_abs", "max_rel", "bound", "ratio", "ulp") if getattr(deviation, name) is None]
    if unknown:
        notes.append(Finding(Kind.ROUNDING, f"not finite: {', '.join(unknown)}"))
    referee: Sides[float | None] = Sides(None, None)
    if dtype != torch.float64:
        referee = Sides(*(rounding.mean_rms([getattr(part.errors, name) for part in parts]) for name in SIDES))
    if telling and (pair.graphs is not None or pair.black_box is not None):
        _check_finite(outputs)
    # NaN in the inputs explains NaN in the outputs, as a negative variance does: report the inputs only.
    faults = broken or _faults(case, parts, deviation)
    if faults and not telling:
        faults = (*broken, *impossible)
    platform_faults = tuple(_platform_faults(case, parts)) if faults and telling else ()
    looseness = rounding.mean_looseness([part.looseness for part in parts])
    spread = watch.spread() if watch is not None else None
    return Measurement(deviation, referee, shapes, faults, platform_faults, tuple(notes), looseness, spread)


def _check_finite(outputs: Sides[torch.Tensor]) -> None:
    """Check that sides of the user's own do not make NaN in the same places, which would tell nothing.

    Raises CannotRunError.
    """
    nan = Sides(outputs.reference.isnan(), outputs.candidate.isnan())
    if bool(nan.reference.any()) and torch.equal(nan.reference, nan.candidate):
        what = "both sides make NaN of the numbers that are drawn, in the same places, where nothing is told"
        raise CannotRunError(f"{what}; name an input that suits, as in -i inputs.safetensors:x")


def _device(name: str) -> torch.device:
    if reason := missing(name):
        raise CannotRunError(f"device {name}: {reason}")
    return torch.device(name)


def _faults(case: Case, parts: Sequence[PartOfRun], deviation: Deviation) -> tuple[str, ...]:
    broken = tuple(
        f"the {name}'s output in {case.dtype} holds NaN or infinity, which equal nothing"
        for name in SIDES
        if not all(getattr(part.finite, name) for part in parts)
    )
    if broken or all(part.within for part in parts):
        return broken
    allowed = "the tolerance allows" if case.tolerance else "rounding explains"
    times = f"{deviation.ratio:.3g} times " if deviation.ratio is not None else "beyond "
    worst = deviation.worst
    assert worst is not None
    return (
        f"in {case.dtype} the error is {times}what {allowed}",
        f"the worst is at {list(worst.at)}: {worst.values.reference:.9g} against {worst.values.candidate:.9g}, "
        f"where {worst.bound or 0:.4g} is allowed",
    )


def _platform_faults(case: Case, parts: Sequence[PartOfRun]) -> Iterator[str]:
    """Yield a sentence for each side that is farther from float64 than its own roundings explain."""
    for name in SIDES:
        # Where both are within the bound of both, neither is looked at.
        none = Deviation(0.0, max_rel=0.0, ratio=0.0)
        apart = [getattr(part.farther, name) if part.farther is not None else none for part in parts]
        deviation = rounding.joined(apart)
        worst = deviation.worst
        if worst is None or (deviation.ratio is not None and deviation.ratio <= 1):
            continue
        value, exact = worst.values.candidate, worst.values.reference
        if exact is None:
            # float64 cannot tell either.
            continue
        yield (
            f"the {name} in {case.dtype} is farther from float64 than its roundings explain: at {list(worst.at)} "
            f"it is {value if value is None else format(value, '.9g')}, and float64 gives {exact:.9g}"
        )


def _tolerance_note(tolerance: Tolerance, looser: float) -> str:
    """Say what was given, and that it is up to `looser` times as much as what rounding explains, if it is more."""
    given = f"tolerance: atol={tolerance.atol:g}, rtol={tolerance.rtol:g}"
    times = rounding.finite(looser)
    if looser > 1:
        return f"{given}, looser than what rounding explains" + (f" by up to {times:.3g} times" if times else "")
    return given
