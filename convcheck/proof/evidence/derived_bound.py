"""Derives how far each side's output in a dtype may be from the truth, which float64 tells; see `rounding`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from convcheck.config.case import Case
from convcheck.proof.evidence import repetition, rounding, underflow
from convcheck.proof.evidence.flushing import flushes
from convcheck.proof.evidence.reference_runs import in_float64
from convcheck.proof.evidence.slices import Slice
from convcheck.proof.pair import Pair
from convcheck.results import Sides
from convcheck.rounding.precision import Arithmetic
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, torch_may_refuse


@dataclass(frozen=True)
class Derivation:
    """The bounds of one run, for one part of the batch after the other."""

    pair: Pair
    case: Case
    unit: Arithmetic
    sample: Sample
    """The whole batch, or a part of it that is like the others, in float64 or in the dtype of the run."""

    @cached_property
    def moment(self) -> float:
        """How far products repeat one another, see `repetition`; their number where rounding does not matter."""
        terms = self.pair.terms
        return repetition.moment(self.pair, self.sample, terms, self.unit.accumulator)

    @cached_property
    def flushing_sides(self) -> tuple[str, ...]:
        """The sides whose kernels flush."""
        pair, case = self.pair, self.case
        runs = (("reference", pair.run_reference), ("candidate", pair.run_candidate))
        with torch_may_refuse(), torch.no_grad():
            return tuple(
                name
                for name, run in runs
                if flushes(run, pair.reference, self.unit, torch.device(case.device), case.dtype)
            )


class _Terms(NamedTuple):
    """What a bound is made of beside the outputs: numbers, or tensors that broadcast to `[*output]`."""

    apart: Tensor | None
    """The whole distance of both sides, where the analysis of their graphs tells it."""
    lost: Sides[Tensor | float] = Sides(0.0, 0.0)
    flushed: Tensor | float = 0.0
    transform: Tensor | float = 0.0


@dataclass(frozen=True)
class Bounds:
    """The bounds of one part of the batch, for one slice of its output after the other.

    `truth` is the reference in float64 at `sample`, which is that part; in float64, or in the dtype of the run.
    """

    derivation: Derivation
    sample: Sample
    truth: rounding.Truth

    def sides(self, piece: Slice, outputs: Sides[Tensor]) -> Sides[Tensor]:
        """Return the bound of each side's distance from the truth in a slice. For the formula, see `rounding`."""
        return self._sides(self.derivation.unit, self._terms, piece, outputs)

    def as_flushed(self, piece: Slice, outputs: Sides[Tensor], sides: Sides[Tensor]) -> tuple[Sides[Tensor], str]:
        """Return the bounds with what each side's kernels flush, if that may explain the distance, and a note on it."""
        flushing, dtype = self.derivation.unit.flushing(), self.derivation.case.dtype
        if self.derivation.pair.analysis is not None:
            wider = self._sides(flushing, self._flushing_terms, piece, outputs)
        else:
            # What is lost is added to what is rounded.
            losses = self._sides(_lossless(flushing), self._flushing_terms, piece, outputs)
            wider = Sides(sides.reference + losses.reference, sides.candidate + losses.candidate)
        if not rounding.within(outputs, wider.reference + wider.candidate):
            return sides, ""
        losing = {name: getattr(wider, name) for name in self.derivation.flushing_sides}
        names = " and ".join(f"the {name}'s" for name in losing)
        note = (
            f"below {flushing.flushed:.3g}, {names} kernels here flush numbers of {dtype} to zero, as the bound knows"
        )
        return replace(sides, **losing), note if losing else ""

    @cached_property
    def _terms(self) -> _Terms:
        return self._terms_of(self.derivation.unit)

    @cached_property
    def _flushing_terms(self) -> _Terms:
        flushing = self.derivation.unit.flushing()
        return self._terms_of(flushing if self.derivation.pair.analysis is not None else _lossless(flushing))

    def _terms_of(self, unit: Arithmetic) -> _Terms:
        pair, sample = self.derivation.pair, self.sample
        if pair.analysis is not None:
            return _Terms(pair.analysis(in_float64(sample), unit))
        transform: Tensor | float = 0.0
        if pair.candidate.transform_error is not None:
            # A transform errs relative to the norms of what it transforms, not to single entries.
            wide = in_float64(sample)
            rows = pair.candidate.transform_error(wide)
            losses = unit.sum_underflow * _transform_losses(pair.candidate, wide)
            transform = (unit.accumulator + 2 * unit.factor) * rows + losses
        flushed = underflow.flushed(pair, sample, unit, self.truth.magnitude)
        return _Terms(None, underflow.lost_between(pair, sample, unit), flushed, transform)

    def _sides(self, unit: Arithmetic, terms: _Terms, piece: Slice, outputs: Sides[Tensor]) -> Sides[Tensor]:
        if terms.apart is not None:
            half = piece.of(terms.apart) / 2
            return Sides(half, half)
        pair = self.derivation.pair
        reference, candidate = pair.reference, pair.candidate
        assert reference.degree is not None
        moment = self.derivation.moment if unit.accumulator else float(pair.terms)
        derived = rounding.bound(
            unit,
            pair.terms,
            reference.degree - 1,
            self.truth.of(piece),
            outputs,
            Sides(reference.roundings, candidate.roundings),
            Sides(piece.of(terms.lost.reference), piece.of(terms.lost.candidate)),
            moment,
        )
        flushed, transform = piece.of(terms.flushed), piece.of(terms.transform)
        return Sides(derived.reference + flushed, derived.candidate + flushed + transform)


def _lossless(unit: Arithmetic) -> Arithmetic:
    """Return an arithmetic that rounds nothing, and loses what `unit` does."""
    return replace(unit, accumulator=0.0, output=0.0, factor=0.0)


def _transform_losses(candidate: Side, sample: Sample) -> Tensor:
    """Return how often a transform loses what a product does below the normal range, at most: `[*output]`, float64.

    It loses as much of every number that it makes of inputs, of weights and of their products; these losses reach the
    output as numbers of their size do, and what bounds that in units of u is no less than in units of what is lost.
    """
    assert candidate.transform_error is not None
    ones = Sample(sample.inputs, sample.parameters).mapped(torch.ones_like)
    mixed = (Sample(ones.inputs, sample.parameters), Sample(sample.inputs, ones.parameters), ones)
    return sum(map(candidate.transform_error, mixed), torch.zeros((), dtype=torch.float64))
