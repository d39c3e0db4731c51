"""Compares the outputs of one run with float64 and the bound, one part of the batch after the other.

Where entries of a batch do not depend on one another, what is true of each part is true of the whole, so float64 holds
no more than a part at a time. Outputs of a large part are compared slice by slice: entries are looked at one by one.
All that is added up over parts and slices are means and the largest of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from convcheck.config.case import Case
from convcheck.proof.evidence import finite, rounding
from convcheck.proof.evidence.derived_bound import Bounds, Derivation
from convcheck.proof.evidence.reference_runs import ReferenceRun, float64_reference, in_float64
from convcheck.proof.evidence.slices import Slice, slices
from convcheck.proof.pair import Pair
from convcheck.proof.pictures.watch import Watch
from convcheck.proof.threads import one_thread
from convcheck.results import Deviation, Sides
from convcheck.rounding.precision import Arithmetic, arithmetic
from convcheck.sides.sample import Sample
from convcheck.sides.side import torch_may_refuse
from convcheck.sizes.patterns import Shape

SIDES = ("reference", "candidate")


@dataclass(frozen=True)
class PartOfRun:
    """How far both sides are apart on a part of the output; indices are those of the whole."""

    deviation: Deviation
    errors: Sides[tuple[float, int]]
    """The rms error of each side against float64, and of how many entries it is."""
    looseness: rounding.Looseness
    finite: Sides[bool]
    within: bool
    """Whether they are within the bound, or the tolerance."""
    farther: Sides[Deviation] | None
    """How far each side is from float64, against its own bound, if both are not within the bound."""
    losing: str
    """A note on kernels that flush, if that widened the bound."""
    looser: float
    """How many times as much as the bound the tolerance is at most; 0 without one."""

    def moved(self, start: Shape) -> PartOfRun:
        """Return it with indices of the whole, where its first entry is at `start`."""
        if not any(start):
            return self
        farther = self.farther and Sides(*(rounding.moved(getattr(self.farther, side), start) for side in SIDES))
        return replace(self, deviation=rounding.moved(self.deviation, start), farther=farther)


def compare_in_parts(
    pair: Pair,
    case: Case,
    unit: Arithmetic,
    ours: ReferenceRun,
    candidate: Tensor,
    *,
    telling: bool,
    watch: Watch | None = None,
) -> Iterator[PartOfRun]:
    """Compare a run of the reference with the candidate's output in the asked dtype, of the same shape, part by part.

    `telling` says that the weights are finite, so that an output that is not may be an overflow. `watch` sees
    all errors.

    Raises:
        CannotRunError: the dtype cannot hold the numbers.
    """
    outputs = Sides(ours.output, candidate)
    if ours.widened is not None and ours.truth is not None:
        whole = Derivation(pair, case, unit, ours.widened)
        yield from _compare_part(Bounds(whole, ours.widened, ours.truth), outputs, 0, telling=telling, watch=watch)
        return
    if pair.part is None:
        sample = ours.sample.to(torch.device("cpu"), ours.output.dtype)
        derivation = Derivation(pair, case, unit, sample)
        with torch_may_refuse(), torch.no_grad():
            if unit.accumulator and pair.analysis is None:
                # While there is nothing else in float64.
                _ = derivation.moment
            truth = float64_reference(pair, sample)
        yield from _compare_part(Bounds(derivation, sample, truth), outputs, 0, telling=telling, watch=watch)
        return
    # The weights are widened once.
    parameters = in_float64(Sample((), ours.sample.parameters)).parameters
    given = any(spec.file for spec in case.input_specs)
    # What is drawn is alike in all entries, and the first part tells of the others.
    all_of_it = in_float64(ours.sample) if given else None
    of_all: Derivation | None = None
    for start in range(0, len(ours.output), pair.part):
        places = slice(start, start + pair.part)
        inputs = in_float64(Sample(tuple(tensor[places] for tensor in ours.sample.inputs), {})).inputs
        widened = Sample(inputs, parameters)
        of_all = of_all or Derivation(pair, case, unit, all_of_it or widened)
        with torch_may_refuse(), torch.no_grad():
            truth = float64_reference(pair, widened)
        part = Sides(outputs.reference[places], outputs.candidate[places])
        yield from _compare_part(Bounds(of_all, widened, truth), part, start, telling=telling, watch=watch)


def _compare_part(
    bounds: Bounds, outputs: Sides[Tensor], entry: int, *, telling: bool, watch: Watch | None
) -> Iterator[PartOfRun]:
    """Compare a part of the batch, whose first entry has this number, slice by slice."""
    shape = tuple(outputs.reference.shape)
    for piece in slices(shape):
        start = piece.place(len(shape))
        # One step after the other takes less time than threads wait for one another, where the machine is busy.
        with one_thread():
            first = (entry + start[0], *start[1:]) if shape else ()
            see = partial(watch.see, first) if watch is not None else None
            compared = _compare(bounds, piece, outputs, telling=telling, see=see)
        yield compared.moved(first)


def _compare(
    bounds: Bounds,
    piece: Slice,
    whole: Sides[Tensor],
    *,
    telling: bool,
    see: Callable[[Tensor, Tensor], None] | None,
) -> PartOfRun:
    """Compare a slice of two outputs in float64; indices are those of the slice. `see` gets errors and their limits."""
    derivation, truth = bounds.derivation, bounds.truth.of(piece)
    pair, case, unit = derivation.pair, derivation.case, derivation.unit
    outputs = Sides(piece.of(whole.reference).double(), piece.of(whole.candidate).double())
    error = rounding.distance(outputs)
    # Two numbers whose distance is finite are finite.
    are_finite = Sides(True, True)
    if not bool(error.max().isfinite()):
        if telling:
            finite.check_range(case.dtype, unit, in_float64(bounds.sample), pair, outputs)
        are_finite = Sides(bool(outputs.reference.isfinite().all()), bool(outputs.candidate.isfinite().all()))
    sides, losing = bounds.sides(piece, outputs), ""
    limit = sides.reference + sides.candidate
    within = bool((error <= limit).all())
    if not within:
        sides, losing = bounds.as_flushed(piece, outputs, sides)
        limit = sides.reference + sides.candidate
        within = bool((error <= limit).all())
    if not within and telling and bool(limit.isnan().any()):
        # What is made of an input that the dtype cannot hold may be finite, as behind a softmax; its bound is not.
        finite.check_between(case.dtype, unit, in_float64(bounds.sample), pair)
    farther = None
    if not within and telling and case.dtype != "float64":
        farther = _from_truth(truth.output, outputs, sides)
    looser = 0.0
    if case.tolerance is not None:
        derived, limit = limit, case.tolerance.atol + case.tolerance.rtol * outputs.reference.abs()
        # A derived bound of 0 means no rounding, so any tolerance is looser.
        looser = float(torch.where(limit > derived, limit / derived, 0.0).max())
        within = bool((error <= limit).all())
    if see is not None:
        see(error, limit)
    count = truth.output.numel()
    errors = (0.0, 0.0)
    if case.dtype != "float64":
        errors = rounding.rms(outputs.reference, truth.output), rounding.rms(outputs.candidate, truth.output)
    return PartOfRun(
        rounding.deviation(outputs, limit, unit, error),
        Sides((errors[0], count), (errors[1], count)),
        rounding.looseness(limit, truth.output),
        are_finite,
        within,
        farther,
        losing,
        looser,
    )


def _from_truth(truth: Tensor, outputs: Sides[Tensor], limits: Sides[Tensor]) -> Sides[Deviation]:
    """Return how far each side is from float64, against its own bound."""
    float64 = arithmetic(torch.float64, torch.device("cpu"))
    return Sides(
        rounding.deviation(Sides(truth, outputs.reference), limits.reference, float64),
        rounding.deviation(Sides(truth, outputs.candidate), limits.candidate, float64),
    )
