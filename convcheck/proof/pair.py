"""Both sides of a claim, built once, and the mapping of weights between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from convcheck.proof.batch import of_entries
from convcheck.rewriting.transplant import Transplant
from convcheck.rounding.precision import Arithmetic
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, torch_may_refuse

if TYPE_CHECKING:
    from convcheck.proof.graphs import Graphs


@dataclass(frozen=True)
class SumLengths:
    """The most products in one sum: of any output (`terms`), and of any output or gradient (`longest`); 1 at least."""

    terms: int
    longest: int


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

    @cached_property
    def of_part(self) -> Pair:
        """The pair on so many entries of the batch as are taken at a time; the pair itself where all of them are."""
        if self.part is None:
            return self
        ours, theirs = (
            replace(
                side,
                inputs=tuple(of_entries(self.part, shape) for shape in side.inputs),
                output_shape=of_entries(self.part, side.output_shape),
            )
            for side in (self.reference, self.candidate)
        )
        return replace(self, reference=ours, candidate=theirs, part=None)

    @property
    def terms(self) -> int:
        """The most products in one sum of any output, 1 at least."""
        return self.of_part.sum_lengths.terms

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
        sample = samples.ones(self.reference)
        terms = longest = 1.0
        # One graph after the other: the first is not needed for the second.
        mapping = self.mapping.positive()
        for run in (self.run_reference, lambda sample: self._run_mapped(sample, mapping)):
            output = run(sample)
            counts = pull_back(output, list(sample.variables().values()), torch.ones_like(output))
            terms = max(terms, float(output.detach().max().round()))
            longest = max(terms, longest, *(float(count.max().round()) for count in counts))
        return SumLengths(int(terms), int(longest))


def pull_back(output: Tensor, inputs: Sequence[Tensor], cotangent: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of `output` in `inputs`, of their shapes; zeros for those it does not depend on.

    `cotangent` is of the shape of `output`.
    """
    if not output.requires_grad:
        return tuple(torch.zeros_like(tensor) for tensor in inputs)
    with torch_may_refuse():
        seeded: Tensor = _Seeded.apply(output, cotangent)  # type: ignore[no-untyped-call]
        return torch.autograd.grad(seeded, inputs, materialize_grads=True)


class _Seeded(torch.autograd.Function):
    """A scalar whose gradient in `output` is the cotangent.

    torch compares the shape of a cotangent that it is given by means of sympy, which takes a third of a second to load.
    """

    @staticmethod
    def forward(context: Any, output: Tensor, cotangent: Tensor) -> Tensor:
        context.save_for_backward(cotangent)
        return output.new_zeros(())

    @staticmethod
    def backward(context: Any, *_: Tensor) -> tuple[Tensor, None]:
        (cotangent,) = context.saved_tensors
        return cotangent, None


def drawn_in(dtype: str) -> torch.dtype:
    """Return the dtype in which random numbers are drawn for a run in `dtype`: float64 for itself, otherwise float32.

    Sums of float32 numbers would leave float64 too little to round.
    """
    return torch.float64 if dtype == "float64" else torch.float32
