"""What the graphs of both sides of a claim say: their degree, their longest sums, and how far they may be apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from convcheck.results import Sides
from convcheck.rewriting.transplant import Transplant
from convcheck.rounding.precision import Arithmetic
from convcheck.sides.samples import Sample
from convcheck.tracing.facts import Facts
from convcheck.tracing.magnitudes import magnitudes
from convcheck.tracing.running_error import bound
from convcheck.tracing.trace import Trace

FLOAT64_BITS = 53


@dataclass(frozen=True)
class Graphs:
    """The graphs of both sides, and the facts that were read off them."""

    traces: Sides[Trace]
    facts: Sides[Facts]

    @property
    def obstacle(self) -> str | None:
        """The first operator that keeps integers from telling, with its line."""
        return next((str(facts.obstacle) for facts in self._facts() if facts.obstacle is not None), None)

    @property
    def degree(self) -> int | None:
        """The degree of both sides as polynomials that integers can probe; None where one is none."""
        degrees = [facts.degree for facts in self._facts()]
        return None if self.obstacle is not None else max(degree or 0 for degree in degrees)

    def index_limits(self) -> dict[int, int]:
        """Return below what whole inputs have to stay, by their number."""
        limits: dict[int, int] = {}
        for facts in self._facts():
            for number, limit in facts.index_limits.items():
                limits[number] = min(limit, limits.get(number, limit))
        return limits

    def longest_sum(self, mapping: Transplant, ones: Sample) -> float:
        """Return how large any partial sum can be where all numbers are at most 1, in units of its last digit.

        That is of outputs and gradients, of both sides, whatever the signs of constants. Where numbers are cast to a
        narrower dtype on the way, the units are larger.
        """
        longest = 1.0
        mapped = {name: tensor.abs() for name, tensor in mapping.forward(ones.parameters).items()}
        for trace, facts, tensors in zip(self._traces(), self._facts(), (ones.parameters, mapped), strict=True):
            largest = magnitudes(trace, facts, ones.inputs, tensors).largest
            longest = max(longest, largest * 2.0 ** ((facts.bits or 0) + FLOAT64_BITS - facts.significant_bits))
        return longest

    def apart(self, mapping: Transplant, sample: Sample, unit: Arithmetic) -> Tensor:
        """Return a bound of the distance of both outputs at a sample in an arithmetic: float64, `[*output]`.

        Raises:
            NoErrorRule: no rule bounds the error of an operator.
        """
        reference, candidate = self._traces()
        mapped = mapping.forward(sample.parameters)
        return (
            bound(reference.graph, reference.arguments(sample.inputs, sample.parameters), unit).error
            + bound(candidate.graph, candidate.arguments(sample.inputs, mapped), unit).error
        )

    def remarks(self) -> Iterator[str]:
        """Yield what is to be said of a side beside what it computes, such as a detach, with its line."""
        for name, facts in zip(("reference", "candidate"), self._facts(), strict=True):
            for note in dict.fromkeys(facts.notes):
                yield f"the {name} {note.text}{f' at {note.place}' if note.place else ''}"

    def _facts(self) -> tuple[Facts, Facts]:
        return self.facts.reference, self.facts.candidate

    def _traces(self) -> tuple[Trace, Trace]:
        return self.traces.reference, self.traces.candidate
