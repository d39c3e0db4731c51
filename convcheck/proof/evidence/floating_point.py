"""Runs both sides in the asked dtype and compares their distance with the bound; float64 is the referee."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convcheck.config.case import Case, Tolerance
from convcheck.errors import CannotRunError
from convcheck.proof.context import Context, Evidence
from convcheck.proof.devices import missing
from convcheck.proof.evidence import finite, repetition, rounding, underflow
from convcheck.proof.evidence.exact import unlike_shapes
from convcheck.proof.evidence.flushing import flushes
from convcheck.proof.evidence.reference_runs import run_reference
from convcheck.proof.observations import remembered, stream
from convcheck.proof.pair import Pair, drawn_in
from convcheck.proof.real_weights import with_real_weights
from convcheck.results import Agreement, Deviation, Finding, Kind, Sides
from convcheck.rounding.precision import Arithmetic, arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, torch_may_refuse
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


def examine(context: Context) -> Evidence:
    """Compare both sides in the asked dtype, on the weights that the case brings, if it brings any."""
    pair, case, result = context.pair, context.case, context.result
    drawn = with_real_weights(draw(pair, case), case)
    measured = measure(pair, case, drawn)
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
    details = {"error": measured.deviation, "referee": measured.referee, "output_shape": measured.shapes}
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
        parameters = {name: parameter.detach() for name, parameter in side.module.named_parameters()}
        # Not the stream of the parameters, which torch begins with the seed itself: the two would be correlated.
        return samples.normals(side, parameters, dtype, stream(case.seed, 700_001))

    return remembered(side, ("normals", dtype, case.seed), compute)


def measure(pair: Pair, case: Case, drawn: Sample) -> Measurement:
    """Run both sides on the numbers of a sample, rounded to the asked dtype, and compare.

    Raises:
        CannotRunError: torch cannot run this dtype on this device, or the dtype cannot hold the numbers.
    """
    dtype, device = getattr(torch, case.dtype), _device(case.device)
    unit = arithmetic(dtype, device)
    with torch_may_refuse(), torch.no_grad():
        ours = run_reference(pair, drawn, dtype, device)
        outputs = Sides(ours.output, pair.run_candidate(ours.sample).double().cpu())
    widened, truth = ours.widened, ours.truth
    shapes: Sides[Shape | None] = Sides(tuple(outputs.reference.shape), tuple(outputs.candidate.shape))
    if shapes.reference != shapes.candidate:
        # On integers it was seen before.
        fault = (unlike_shapes(shapes.reference, shapes.candidate),)
        return Measurement(Deviation(), Sides(None, None), shapes, fault if pair.reference.degree is None else ())
    broken, impossible = tuple(finite.faults(drawn)), tuple(finite.variance_faults(pair.reference, drawn))
    if not broken and not impossible:
        finite.check_range(case.dtype, unit, widened, pair, outputs)
    sides, losing = _derived(pair, widened, unit, truth, outputs), ""
    if not rounding.within(outputs, sides.reference + sides.candidate):
        sides, losing = _as_flushed(pair, case, widened, unit, truth, outputs, sides)
    limit = derived = sides.reference + sides.candidate
    notes = [Finding(Kind.ROUNDING, note) for note in (*unit.notes, *filter(None, [losing]))]
    if case.tolerance is not None:
        limit = case.tolerance.atol + case.tolerance.rtol * outputs.reference.abs()
        notes.append(Finding(Kind.ROUNDING, _tolerance_note(case.tolerance, limit, derived)))
    deviation = rounding.deviation(outputs, limit, unit)
    unknown = [name for name in ("max_abs", "max_rel", "bound", "ratio", "ulp") if getattr(deviation, name) is None]
    if unknown:
        notes.append(Finding(Kind.ROUNDING, f"not finite: {', '.join(unknown)}"))
    referee: Sides[float | None] = Sides(None, None)
    if dtype != torch.float64:
        referee = Sides(rounding.rms(outputs.reference, truth.output), rounding.rms(outputs.candidate, truth.output))
    # NaN in the inputs explains NaN in the outputs, as a negative variance does: report the inputs only.
    faults = broken or _faults(case, outputs, limit, deviation)
    if faults and (broken or impossible):
        faults = (*broken, *impossible)
    judge = dtype != torch.float64 and faults and not (broken or impossible) and not rounding.within(outputs, derived)
    platform_faults = tuple(_platform_faults(case, outputs, sides, truth)) if judge else ()
    return Measurement(
        deviation, referee, shapes, faults, platform_faults, tuple(notes), rounding.looseness(limit, truth.output)
    )


def _device(name: str) -> torch.device:
    if reason := missing(name):
        raise CannotRunError(f"device {name}: {reason}")
    return torch.device(name)


def _derived(
    pair: Pair, sample: Sample, unit: Arithmetic, truth: rounding.Truth, outputs: Sides[Tensor]
) -> Sides[Tensor]:
    """Return the bound of each side's distance from the truth: float64, of the outputs' shape.

    `sample` and `outputs` are float64. For the formula, see `rounding`.
    """
    reference, candidate = pair.reference, pair.candidate
    if pair.analysis is not None:
        apart = pair.analysis(sample, unit)
        return Sides(apart / 2, apart / 2)
    assert reference.degree is not None
    terms = pair.sum_lengths.terms
    lost = underflow.lost_between(pair, sample, unit)
    moment = repetition.moment(pair, sample, terms, unit.accumulator) if unit.accumulator else float(terms)
    roundings = Sides(reference.roundings, candidate.roundings)
    derived = rounding.bound(unit, terms, reference.degree - 1, truth, outputs, roundings, lost, moment)
    flushed = underflow.flushed(pair, sample, unit, truth.magnitude)
    derived = Sides(derived.reference + flushed, derived.candidate + flushed)
    if candidate.transform_error is not None:
        # A transform errs relative to the norms of what it transforms, not to single entries.
        rows = candidate.transform_error(sample)
        rows = (unit.accumulator + 2 * unit.factor) * rows + unit.sum_underflow * _transform_losses(candidate, sample)
        derived = Sides(derived.reference, derived.candidate + rows)
    return derived


def _transform_losses(candidate: Side, sample: Sample) -> Tensor:
    """Return how often a transform loses what a product does below the normal range, at most: `[*output]`, float64.

    It loses as much of every number that it makes of inputs, of weights and of their products; these losses reach the
    output as numbers of their size do, and what bounds that in units of u is no less than in units of what is lost.
    """
    assert candidate.transform_error is not None
    ones = Sample(sample.inputs, sample.parameters).mapped(torch.ones_like)
    mixed = (Sample(ones.inputs, sample.parameters), Sample(sample.inputs, ones.parameters), ones)
    return sum(map(candidate.transform_error, mixed), torch.zeros((), dtype=torch.float64))


def _as_flushed(
    pair: Pair,
    case: Case,
    sample: Sample,
    unit: Arithmetic,
    truth: rounding.Truth,
    outputs: Sides[Tensor],
    sides: Sides[Tensor],
) -> tuple[Sides[Tensor], str]:
    """Return the bounds with what each side's kernels flush, if that may explain the distance, and a note on it."""
    flushing = unit.flushing()
    if pair.analysis is not None:
        wider = _derived(pair, sample, flushing, truth, outputs)
    else:
        # What is lost is added to what is rounded.
        losses = _derived(pair, sample, replace(flushing, accumulator=0.0, output=0.0, factor=0.0), truth, outputs)
        wider = Sides(sides.reference + losses.reference, sides.candidate + losses.candidate)
    if not rounding.within(outputs, wider.reference + wider.candidate):
        return sides, ""
    with torch_may_refuse(), torch.no_grad():
        losing = {
            name: getattr(wider, name)
            for name, run in (("reference", pair.run_reference), ("candidate", pair.run_candidate))
            if flushes(run, pair.reference, unit, _device(case.device), case.dtype)
        }
    names = " and ".join(f"the {name}'s" for name in losing)
    note = (
        f"below {flushing.flushed:.3g}, {names} kernels here flush numbers of {case.dtype} to zero, as the bound knows"
    )
    return replace(sides, **losing), note if losing else ""


def _faults(case: Case, outputs: Sides[Tensor], limit: Tensor, deviation: Deviation) -> tuple[str, ...]:
    broken = tuple(
        f"the {name}'s output in {case.dtype} holds NaN or infinity, which equal nothing"
        for name, output in (("reference", outputs.reference), ("candidate", outputs.candidate))
        if not bool(output.isfinite().all())
    )
    if broken or rounding.within(outputs, limit):
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


def _platform_faults(case: Case, outputs: Sides[Tensor], limits: Sides[Tensor], truth: rounding.Truth) -> Iterator[str]:
    """Yield a sentence for each side that is farther from float64 than its own roundings explain."""
    float64 = arithmetic(torch.float64, torch.device("cpu"))
    for name in ("reference", "candidate"):
        deviation = rounding.deviation(Sides(truth.output, getattr(outputs, name)), getattr(limits, name), float64)
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


def _tolerance_note(tolerance: Tolerance, limit: Tensor, derived: Tensor) -> str:
    given = f"tolerance: atol={tolerance.atol:g}, rtol={tolerance.rtol:g}"
    # A derived bound of 0 means no rounding, so any tolerance is looser.
    looser = torch.where(limit > derived, limit / derived, 0.0).max()
    times = rounding.finite(looser)
    if looser > 1:
        return f"{given}, looser than what rounding explains" + (f" by up to {times:.3g} times" if times else "")
    return given
