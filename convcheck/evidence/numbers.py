"""One run of both sides in the asked dtype, held against the bound, with a referee in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.config.case import Case, Tolerance
from convcheck.evidence import rounding
from convcheck.evidence.pair import CannotRunError, Pair, drawn_in, torch_may_refuse
from convcheck.layers import Roundings
from convcheck.patterns import Shape
from convcheck.results import Deviation, Sides
from convcheck.rewrite import Transform
from convcheck.transplant import Parameters


@dataclass(frozen=True)
class Numbers:
    """`referee` holds the rms error of each side against float64, where that is wider; `faults` are sentences."""

    deviation: Deviation
    referee: Sides[float | None]
    shapes: Sides[Shape | None]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def measure(
    pair: Pair, case: Case, terms: int, roundings: Sides[Roundings], transform: Transform | None = None
) -> Numbers:
    """Run both sides on normal inputs and torch's own initialisation, and compare.

    `terms` is the most products in the sum of one output; `roundings` says how each side rounds to the dtype.

    Raises:
        CannotRunError: torch cannot run this dtype on this device.
    """
    dtype, device = getattr(torch, case.dtype), _device(case.device)
    generator = torch.Generator().manual_seed(case.seed)
    with torch_may_refuse():
        x = torch.randn(case.input, generator=generator, dtype=drawn_in(case.dtype)).to(device, dtype)
        parameters = {name: p.detach().to(device, dtype) for name, p in pair.reference.named_parameters()}
    with torch.no_grad():
        outputs = Sides(*(side.double().cpu() for side in pair.run(parameters, x)))
        truth = _referee(pair, parameters, x)
    shapes: Sides[Shape | None] = Sides(tuple(outputs.reference.shape), tuple(outputs.candidate.shape))
    if shapes.reference != shapes.candidate:
        return Numbers(Deviation(), Sides(None, None), shapes)
    unit = rounding.arithmetic(dtype, device)
    limit = derived = rounding.bound(unit, terms, truth, outputs, roundings)
    if transform is not None:
        # A transform errs relative to the norms of what it transforms, not to single entries.
        exactly = {name: p.double().cpu() for name, p in parameters.items()}
        limit = derived = derived + unit.accumulator * transform.rows(case.layer, x.double().cpu(), exactly)
    notes = [unit.note] if unit.note else []
    if case.tolerance is not None:
        limit = case.tolerance.atol + case.tolerance.rtol * outputs.reference.abs()
        notes.append(_note(case.tolerance, limit, derived))
    deviation = rounding.deviation(outputs, limit, unit)
    unknown = [name for name in ("max_abs", "max_rel", "bound", "ratio", "ulp") if getattr(deviation, name) is None]
    if unknown:
        notes.append(f"not finite: {', '.join(unknown)}")
    referee: Sides[float | None] = Sides(None, None)
    if dtype != torch.float64:
        referee = Sides(rounding.rms(outputs.reference, truth.output), rounding.rms(outputs.candidate, truth.output))
    return Numbers(deviation, referee, shapes, _faults(case, outputs, limit, deviation), tuple(notes))


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise CannotRunError(
            f"device {name}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices here"
        )
    return device


def _referee(pair: Pair, parameters: Parameters, x: Tensor) -> rounding.Truth:
    """Run the reference in float64 on the very same numbers, on zeros, and on magnitudes."""
    exactly = {name: p.double().cpu() for name, p in parameters.items()}
    point = x.double().cpu()
    return rounding.Truth(
        output=pair.run_reference(exactly, point),
        bias=pair.run_reference(exactly, torch.zeros_like(point)),
        magnitude=pair.run_reference({name: p.abs() for name, p in exactly.items()}, point.abs()),
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


def _note(tolerance: Tolerance, limit: Tensor, derived: Tensor) -> str:
    given = f"tolerance: atol={tolerance.atol:g}, rtol={tolerance.rtol:g}"
    # Where nothing is added up, nothing is rounded, and any tolerance at all is looser.
    looser = torch.where(limit > derived, limit / derived, 0.0).max()
    times = rounding.finite(looser)
    if looser > 1:
        return f"{given}, looser than what rounding explains" + (f" by up to {times:.3g} times" if times else "")
    return given
