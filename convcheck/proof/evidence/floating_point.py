"""Runs both sides in the asked dtype and compares their distance with the bound; float64 is the referee."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convcheck.config.case import Case, Tolerance
from convcheck.proof.context import Context, Evidence
from convcheck.proof.devices import missing
from convcheck.proof.evidence import finite, repetition, rounding, strength, underflow
from convcheck.proof.pair import Pair, drawn_in
from convcheck.proof.real_weights import with_real_weights
from convcheck.results import Agreement, Deviation, Finding, Kind, Sides
from convcheck.rewriting.precision import Arithmetic, arithmetic
from convcheck.sides import samples
from convcheck.sides.samples import Sample
from convcheck.sides.side import CannotRunError, torch_may_refuse
from convcheck.sizes.patterns import Shape


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


def examine(context: Context) -> Evidence:
    """Compare both sides in the asked dtype; also in float64, where no exact argument finds small faults."""
    pair, case = context.pair, context.case
    measured = measure(pair, case, with_real_weights(draw(pair, case), case))
    findings = [Finding(Kind.ROUNDING, text) for text in measured.faults]
    exact = context.result.exact.status
    proved = exact is Agreement.IDENTICAL
    transformed = pair.candidate.transform_error is not None
    if case.dtype != "float64" and (pair.reference.degree is None or transformed):
        # float64 stands in for a missing exact argument. After a transform, integer probes are rounded, which hides
        # small faults; float64 finds those.
        wide = replace(case, dtype="float64")
        wider = measure(pair, wide, with_real_weights(draw(pair, wide), case)).faults
        findings += [Finding(Kind.ROUNDING, text) for text in wider]
        proved = not wider and exact is not Agreement.DIFFERENT
    if proved and measured.platform_faults:
        agree = "on integers" if exact is Agreement.IDENTICAL else "in float64"
        conclusion = f"both agree {agree}, so the rewrite is right, and the arithmetic of this platform is off"
        findings += [Finding(Kind.PLATFORM, text) for text in (*measured.platform_faults, conclusion)]
    details = {"error": measured.deviation, "referee": measured.referee, "output_shape": measured.shapes}
    status = Agreement.DIFFERENT if findings else Agreement.IDENTICAL
    return Evidence(status, tuple(findings), measured.notes, details)


def draw(pair: Pair, case: Case) -> Sample:
    """Return normal inputs, and the reference's own parameters: torch's initialisation, from the case's seed."""
    # Not the stream of the parameters, which torch begins with the seed itself: the two would be correlated.
    generator = torch.Generator().manual_seed((case.seed * 1_000_003 + 700_001) % 2**63)
    parameters = {name: parameter.detach() for name, parameter in pair.reference.module.named_parameters()}
    return samples.normals(pair.reference, parameters, drawn_in(case.dtype), generator)


def measure(pair: Pair, case: Case, drawn: Sample) -> Measurement:
    """Run both sides on the numbers of a sample, rounded to the asked dtype, and compare.

    Raises:
        CannotRunError: torch cannot run this dtype on this device, or the dtype cannot hold the numbers.
    """
    dtype, device = getattr(torch, case.dtype), _device(case.device)
    unit = arithmetic(dtype, device)
    with torch_may_refuse(), torch.no_grad():
        sample = drawn.to(device, dtype)
        outputs = Sides(*(output.double().cpu() for output in pair.run(sample)))
        widened = sample.to(torch.device("cpu"), torch.float64)
        truth = float64_reference(pair, widened)
    shapes: Sides[Shape | None] = Sides(tuple(outputs.reference.shape), tuple(outputs.candidate.shape))
    if shapes.reference != shapes.candidate:
        return Measurement(Deviation(), Sides(None, None), shapes)
    broken = tuple(finite.faults(drawn))
    if not broken:
        finite.check_range(case.dtype, unit, widened, pair, outputs)
    sides = _derived(pair, widened, unit, truth, outputs)
    limit = derived = sides.reference + sides.candidate
    notes = [Finding(Kind.ROUNDING, note) for note in unit.notes]
    if pair.reference.degree is None:
        notes += strength.symmetries(drawn.parameters)
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
    # NaN in the inputs explains NaN in the outputs: report the inputs only.
    faults = broken or _faults(case, outputs, limit, deviation)
    judge = dtype != torch.float64 and faults and not broken and not rounding.within(outputs, derived)
    platform_faults = tuple(_platform_faults(case, outputs, sides, truth)) if judge else ()
    return Measurement(deviation, referee, shapes, faults, platform_faults, tuple(notes))


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
    if reference.degree is None:
        assert pair.analysis is not None
        apart = pair.analysis(sample, unit)
        return Sides(apart / 2, apart / 2)
    terms = pair.sum_lengths.terms
    lost = underflow.lost_between(pair, sample)
    moment = repetition.moment(pair, sample, terms, unit.accumulator)
    roundings = Sides(reference.roundings, candidate.roundings)
    derived = rounding.bound(unit, terms, reference.degree - 1, truth, outputs, roundings, lost, moment)
    if candidate.transform_error is not None:
        # A transform errs relative to the norms of what it transforms, not to single entries.
        rows = candidate.transform_error(sample)
        derived = Sides(derived.reference, derived.candidate + (unit.accumulator + 2 * unit.factor) * rows)
    return derived


def float64_reference(pair: Pair, sample: Sample) -> rounding.Truth:
    """Run the reference in float64 at `sample`, on zeros, on magnitudes, and on squares; see `rounding.Truth`."""
    reference = pair.reference
    output = pair.run_reference(sample)
    if reference.degree is None:
        return rounding.Truth(output, torch.zeros_like(output), output.abs(), output.abs())
    zeros = tuple(torch.zeros_like(tensor) for tensor in sample.inputs)
    return rounding.Truth(
        output=output,
        bias=pair.run_reference(Sample(zeros, sample.parameters)),
        magnitude=pair.run_reference(samples.magnitudes(reference, sample)),
        norm=pair.run_reference(samples.squares(reference, sample)).sqrt(),
    )


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
