"""Both sides of a claim, built once, and the mapping of weights between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from convcheck.proof.batch import of_entries
from convcheck.proof.fingerprints import short
from convcheck.proof.observations import Graph, at_ones
from convcheck.rewriting.transplant import Transplant
from convcheck.rounding.precision import Arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, torch_may_refuse

if TYPE_CHECKING:
    from convcheck.proof.context import Evidence, Examine
    from convcheck.proof.graphs import Graphs


@dataclass(frozen=True)
class SumLengths:
    """The most products in one sum: of any output (`terms`), and of any output or gradient (`longest`); 1 at least."""

    terms: int
    longest: int


@dataclass(frozen=True)
class AtOnes:
    """What both sides give where all numbers are one."""

    lengths: SumLengths
    identical: bool | None
    """Whether their outputs are the same; None if the mapping has negative constants, which were taken as positive."""
    differing: tuple[str, ...] = ()
    """The variables in which their gradients are not the same."""


@dataclass(frozen=True)
class Pair:
    """The reference, the candidate, and the mapping of weights from one to the other."""

    reference: Side
    candidate: Side
    mapping: Transplant
    analysis: Callable[[Sample, Arithmetic], Tensor] | None = None
    """A bound of the distance of both outputs, `[*output]`, float64; set where they are no polynomials."""
    input_scales: tuple[float, ...] = ()
    """The magnitudes of the inputs, one by one, in a balanced sample."""
    graphs: Graphs | None = None
    """What both sides compute, where one of them is the user's own code and both can be traced."""
    black_box: str | None = None
    """Why the user's own code cannot be traced, where it cannot."""
    too_long: bool = False
    """Whether polynomials of so many terms or factors leave no integers that are added up exactly."""
    part: int | None = None
    """How many entries of the batch are taken at a time, see `batch`; None where all of them are."""

    @property
    def of_part(self) -> Pair:
        """The pair on so many entries of the batch as are taken at a time; the pair itself where all of them are."""
        # One that held itself would stay in memory after its claim.
        return self if self.part is None else self._smaller

    @cached_property
    def _smaller(self) -> Pair:
        entries = self.part
        assert entries is not None
        ours, theirs = (
            replace(
                side,
                inputs=tuple(of_entries(entries, shape) for shape in side.inputs),
                output_shape=of_entries(entries, side.output_shape),
                of_batch=True,
            )
            for side in (self.reference, self.candidate)
        )
        return replace(self, reference=ours, candidate=theirs, part=None)

    @property
    def terms(self) -> int:
        """The most products in one sum of any output, 1 at least."""
        return self.of_part.sum_lengths.terms

    @cached_property
    def memory(self) -> dict[Examine, Evidence]:
        """What was gathered of this very pair, for all dtypes and devices."""
        return {}

    @property
    def obstacle(self) -> str:
        """Why integers cannot tell."""
        if self.black_box is not None:
            return self.black_box
        if self.graphs is not None and self.graphs.obstacle is not None:
            return self.graphs.obstacle
        if self.too_long:
            return "its sums are too long for integers that are added up exactly"
        if self.mapping.bits is None:
            return "the map does more than move entries"
        return f"{self.reference.name} is no sum of products"

    def run(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return both outputs, `[*output]`, at a sample of the reference.

        The mapping is part of the graph, so gradients of either output come back in the reference's own layout.
        """
        return self.run_reference(sample), self.run_candidate(sample)

    def balanced(self, generator: torch.Generator) -> Sample:
        """Draw a sample of the reference that tells all of it, whatever weights a case brings."""
        return samples.balanced(self.reference, self.input_scales, generator)

    def run_reference(self, sample: Sample) -> Tensor:
        return self.reference.run(sample)

    def run_candidate(self, sample: Sample) -> Tensor:
        return self._run_mapped(sample, self.mapping)

    def _run_mapped(self, sample: Sample, mapping: Transplant) -> Tensor:
        with torch_may_refuse():
            mapped = mapping.forward(sample.parameters)
        return self.candidate.run(Sample(sample.inputs, mapped))

    @property
    def bits(self) -> int | None:
        """How many bits of an output or gradient stand behind the point, at whole numbers; None if any may."""
        bits = self.mapping.bits
        return None if bits is None else bits * (self.reference.degree or 0)

    @property
    def longest_sum(self) -> int | None:
        """The longest sum of any output or gradient at ones, in units of the last bit that any can have.

        None where there is no last bit.
        """
        # A sum of fractions was rounded when it was measured.
        return None if self.bits is None else (self.sum_lengths.longest + bool(self.bits)) << self.bits

    @cached_property
    def sum_lengths(self) -> SumLengths:
        """The longest sums of both sides, measured.

        With ones everywhere an output, or a gradient, is the number of its products, as nothing cancels unless a
        candidate has negative constants; those of the mapping are taken as positive.
        """
        if self.reference.degree is None:
            return SumLengths(1, 1)
        if self.graphs is not None:
            sample = samples.ones(self.reference)
            choices = (sample, *samples.with_other_choices(self.reference, sample))
            return SumLengths(1, max(math.ceil(self.graphs.longest_sum(self.mapping, one)) for one in choices))
        return self.at_ones.lengths

    @cached_property
    def at_ones(self) -> AtOnes:
        """What both sides give at ones, where they are polynomials; the reference's run is the one of `strength`."""
        seen = at_ones(self.reference)
        products = [float(count.max().round()) for count in seen.gradients.values()]
        most = float(seen.output.max().round())
        seen = seen.shortened()
        variables, mapping = list(seen.sample.variables().values()), self.mapping.positive()
        output = self._run_mapped(seen.sample, mapping)
        cotangent = seen.cotangent if output.shape == seen.cotangent.shape else torch.ones_like(output)
        outputs = [most, float(output.detach().max().round())]
        digest, graph = short(output.detach()), Graph.of(output)
        del output
        counts = graph.pull_back(variables, cotangent)
        longest = max(1.0, *outputs, *products, *(float(count.max().round()) for count in counts))
        lengths = SumLengths(int(max(1.0, *outputs)), int(longest))
        if mapping != self.mapping:
            return AtOnes(lengths, None)
        slopes = zip(seen.gradients.items(), counts, strict=True)
        differing = tuple(name for (name, slope), count in slopes if not torch.equal(slope, short(count)))
        return AtOnes(lengths, torch.equal(seen.output, digest), differing)


def drawn_in(dtype: str) -> torch.dtype:
    """Return the dtype in which random numbers are drawn for a run in `dtype`: float64 for itself, otherwise float32.

    Sums of float32 numbers would leave float64 too little to round.
    """
    return torch.float64 if dtype == "float64" else torch.float32
