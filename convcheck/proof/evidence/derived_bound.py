"""Derives how far each side's output in a dtype may be from the truth, which float64 tells; see `rounding`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from convcheck.config.case import Case
from convcheck.proof.evidence import repetition, rounding, underflow
from convcheck.proof.evidence.flushing import flushes
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rounding.precision import Arithmetic
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, torch_may_refuse


@dataclass(frozen=True)
class Derivation:
    """The bounds of one run, for one part of the batch after the other.

    All tensors are float64; outputs, truths and bounds are `[*output]` of the part that a sample holds.
    """

    pair: Pair
    case: Case
    unit: Arithmetic
    sample: Sample
    """The whole batch, or a part of it that is like the others."""

    @cached_property
    def moment(self) -> float:
        """How far products repeat one another, see `repetition`; their number where rounding does not matter."""
        terms = self.pair.terms
        return repetition.moment(self.pair, self.sample, terms, self.unit.accumulator)

    def sides(self, sample: Sample, truth: rounding.Truth, outputs: Sides[Tensor]) -> Sides[Tensor]:
        """Return the bound of each side's distance from the truth. For the formula, see `rounding`."""
        return self._sides(self.unit, sample, truth, outputs)

    def _sides(self, unit: Arithmetic, sample: Sample, truth: rounding.Truth, outputs: Sides[Tensor]) -> Sides[Tensor]:
        pair = self.pair
        reference, candidate = pair.reference, pair.candidate
        if pair.analysis is not None:
            apart = pair.analysis(sample, unit)
            return Sides(apart / 2, apart / 2)
        assert reference.degree is not None
        terms = pair.terms
        lost = underflow.lost_between(pair, sample, unit)
        moment = self.moment if unit.accumulator else float(terms)
        roundings = Sides(reference.roundings, candidate.roundings)
        derived = rounding.bound(unit, terms, reference.degree - 1, truth, outputs, roundings, lost, moment)
        if unit.flushed:
            flushed = underflow.flushed(pair, sample, unit, truth.magnitude)
            derived = Sides(derived.reference + flushed, derived.candidate + flushed)
        if candidate.transform_error is not None:
            # A transform errs relative to the norms of what it transforms, not to single entries.
            rows = candidate.transform_error(sample)
            rows = (unit.accumulator + 2 * unit.factor) * rows + unit.sum_underflow * _transform_losses(
                candidate, sample
            )
            derived = Sides(derived.reference, derived.candidate + rows)
        return derived

    def as_flushed(
        self, sample: Sample, truth: rounding.Truth, outputs: Sides[Tensor], sides: Sides[Tensor]
    ) -> tuple[Sides[Tensor], str]:
        """Return the bounds with what each side's kernels flush, if that may explain the distance, and a note on it."""
        flushing = self.unit.flushing()
        if self.pair.analysis is not None:
            wider = self._sides(flushing, sample, truth, outputs)
        else:
            # What is lost is added to what is rounded.
            lossless = replace(flushing, accumulator=0.0, output=0.0, factor=0.0)
            losses = self._sides(lossless, sample, truth, outputs)
            wider = Sides(sides.reference + losses.reference, sides.candidate + losses.candidate)
        if not rounding.within(outputs, wider.reference + wider.candidate):
            return sides, ""
        losing = {name: getattr(wider, name) for name in self._flushing_sides}
        names = " and ".join(f"the {name}'s" for name in losing)
        note = (
            f"below {flushing.flushed:.3g}, {names} kernels here flush numbers of {self.case.dtype} to zero, "
            "as the bound knows"
        )
        return replace(sides, **losing), note if losing else ""

    @cached_property
    def _flushing_sides(self) -> tuple[str, ...]:
        """The sides whose kernels flush."""
        pair, case = self.pair, self.case
        runs = (("reference", pair.run_reference), ("candidate", pair.run_candidate))
        with torch_may_refuse(), torch.no_grad():
            return tuple(
                name
                for name, run in runs
                if flushes(run, pair.reference, self.unit, torch.device(case.device), case.dtype)
            )


def _transform_losses(candidate: Side, sample: Sample) -> Tensor:
    """Return how often a transform loses what a product does below the normal range, at most: `[*output]`, float64.

    It loses as much of every number that it makes of inputs, of weights and of their products; these losses reach the
    output as numbers of their size do, and what bounds that in units of u is no less than in units of what is lost.
    """
    assert candidate.transform_error is not None
    ones = Sample(sample.inputs, sample.parameters).mapped(torch.ones_like)
    mixed = (Sample(ones.inputs, sample.parameters), Sample(sample.inputs, ones.parameters), ones)
    return sum(map(candidate.transform_error, mixed), torch.zeros((), dtype=torch.float64))
