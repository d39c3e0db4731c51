"""One run of both sides in the asked dtype, held against the bound, with a referee in float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.config.case import Case, Tolerance
from convcheck.proof.evidence import finite, repetition, rounding, samples, strength, underflow
from convcheck.proof.evidence.pair import CannotRunError, Pair, drawn_in, torch_may_refuse
from convcheck.proof.evidence.precision import Arithmetic, arithmetic
from convcheck.proof.evidence.samples import Point
from convcheck.results import Deviation, Finding, Kind, Sides
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape


@dataclass(frozen=True)
class Numbers:
    """`referee` holds the rms error of each side against float64, where that is wider; `faults` are sentences.

    `off` says which side is farther from float64 than its own roundings explain, where the two are too far apart.
    """

    deviation: Deviation
    referee: Sides[float | None]
    shapes: Sides[Shape | None]
    faults: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    notes: tuple[Finding, ...] = ()


def draw(pair: Pair, case: Case) -> Point:
    """Return normal inputs, and the reference's own parameters: torch's initialisation, from the case's seed."""
    # Not the stream of the parameters, which torch begins with the seed itself: the two would be correlated.
    generator = torch.Generator().manual_seed((case.seed * 1_000_003 + 700_001) % 2**63)
    own = {name: parameter.detach() for name, parameter in pair.reference.named_parameters()}
    return samples.normals(pair.layer, pair.shapes, own, drawn_in(case.dtype), generator)


def measure(pair: Pair, case: Case, drawn: Point, terms: int, rewrite: Rewrite) -> Numbers:
    """Run both sides on the numbers of a point, rounded to the asked dtype, and compare.

    `terms` is the most products in the sum of one output.

    Raises:
        CannotRunError: torch cannot run this dtype on this device, or the dtype cannot hold the numbers.
    """
    dtype, device = getattr(torch, case.dtype), _device(case.device)
    unit = arithmetic(dtype, device)
    with torch_may_refuse(), torch.no_grad():
        point = drawn.mapped(lambda each: each.to(device, each.dtype if each.dtype == torch.bool else dtype))
        outputs = Sides(*(side.double().cpu() for side in pair.run(point)))
        exactly = point.mapped(lambda each: each.cpu() if each.dtype == torch.bool else each.double().cpu())
        truth = _referee(pair, exactly)
    shapes: Sides[Shape | None] = Sides(tuple(outputs.reference.shape), tuple(outputs.candidate.shape))
    if shapes.reference != shapes.candidate:
        return Numbers(Deviation(), Sides(None, None), shapes)
    broken = tuple(finite.faults(drawn))
    if not broken:
        finite.check_range(case.dtype, unit, exactly, pair, outputs)
    sides = _derived(pair, rewrite, exactly, unit, terms, truth, outputs)
    limit = derived = sides.reference + sides.candidate
    notes = [
        *(Finding(Kind.ROUNDING, note) for note in unit.notes),
        *(strength.symmetries(drawn.parameters) if pair.layer.degree() is None else ()),
    ]
    if case.tolerance is not None:
        limit = case.tolerance.atol + case.tolerance.rtol * outputs.reference.abs()
        notes.append(Finding(Kind.ROUNDING, _note(case.tolerance, limit, derived)))
    deviation = rounding.deviation(outputs, limit, unit)
    unknown = [name for name in ("max_abs", "max_rel", "bound", "ratio", "ulp") if getattr(deviation, name) is None]
    if unknown:
        notes.append(Finding(Kind.ROUNDING, f"not finite: {', '.join(unknown)}"))
    referee: Sides[float | None] = Sides(None, None)
    if dtype != torch.float64:
        referee = Sides(rounding.rms(outputs.reference, truth.output), rounding.rms(outputs.candidate, truth.output))
    # What was brought explains what came of it.
    faults = broken or _faults(case, outputs, limit, deviation)
    judge = dtype != torch.float64 and faults and not broken and not rounding.within(outputs, derived)
    off = tuple(_off(case, outputs, sides, truth)) if judge else ()
    return Numbers(deviation, referee, shapes, faults, off, tuple(notes))


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise CannotRunError(
            f"device {name}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices here"
        )
    return device


def _derived(
    pair: Pair,
    rewrite: Rewrite,
    exactly: Point,
    unit: Arithmetic,
    terms: int,
    truth: rounding.Truth,
    outputs: Sides[Tensor],
) -> Sides[Tensor]:
    """Return how far each side may be from the truth, for every entry."""
    layer, degree = pair.layer, pair.layer.degree()
    if degree is None:
        assert rewrite.analysis is not None
        apart = rewrite.analysis(layer, exactly.inputs, exactly.parameters, unit)
        return Sides(apart / 2, apart / 2)
    roundings = Sides(layer.roundings(), rewrite.roundings(layer))
    lost = underflow.lost_between(pair, exactly)
    moment = repetition.moment(pair, exactly, terms, unit.accumulator)
    derived = rounding.bound(unit, terms, degree - 1, truth, outputs, roundings, lost, moment)
    if rewrite.transform is not None:
        # A transform errs relative to the norms of what it transforms, not to single entries.
        rows = rewrite.transform.rows(layer, exactly.inputs[0], exactly.parameters)
        derived = Sides(derived.reference, derived.candidate + (unit.accumulator + 2 * unit.factor) * rows)
    return derived


def _referee(pair: Pair, exactly: Point) -> rounding.Truth:
    """Run the reference in float64 on the very same numbers, on zeros, on magnitudes, and on squares."""
    output = pair.run_reference(exactly)
    if pair.layer.degree() is None:
        return rounding.Truth(output, torch.zeros_like(output), output.abs(), output.abs())
    zeros = tuple(torch.zeros_like(each) for each in exactly.inputs)
    return rounding.Truth(
        output=output,
        bias=pair.run_reference(Point(zeros, exactly.parameters)),
        magnitude=pair.run_reference(samples.magnitudes(pair.layer, exactly)),
        norm=pair.run_reference(samples.squares(pair.layer, exactly)).sqrt(),
    )


def _faults(case: Case, outputs: Sides[Tensor], limit: Tensor, deviation: Deviation) -> tuple[str, ...]:
    broken = tuple(
        f"the {side}'s output in {case.dtype} holds NaN or infinity, which equal nothing"
        for side, output in (("reference", outputs.reference), ("candidate", outputs.candidate))
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


def _off(case: Case, outputs: Sides[Tensor], limits: Sides[Tensor], truth: rounding.Truth) -> Iterator[str]:
    """Yield a sentence for each side that is farther from float64 than its own roundings explain."""
    for side in ("reference", "candidate"):
        output, limit = getattr(outputs, side), getattr(limits, side)
        found = rounding.deviation(Sides(truth.output, output), limit, arithmetic(torch.float64, torch.device("cpu")))
        if found.worst is None or (found.ratio is not None and found.ratio <= 1):
            continue
        seen, right = found.worst.values.candidate, found.worst.values.reference
        yield (
            f"the {side} in {case.dtype} is farther from float64 than its roundings explain: at {list(found.worst.at)} "
            f"it is {seen if seen is None else format(seen, '.9g')}, and float64 gives {right:.9g}"
        )


def _note(tolerance: Tolerance, limit: Tensor, derived: Tensor) -> str:
    given = f"tolerance: atol={tolerance.atol:g}, rtol={tolerance.rtol:g}"
    # Where nothing is added up, nothing is rounded, and any tolerance at all is looser.
    looser = torch.where(limit > derived, limit / derived, 0.0).max()
    times = rounding.finite(looser)
    if looser > 1:
        return f"{given}, looser than what rounding explains" + (f" by up to {times:.3g} times" if times else "")
    return given
