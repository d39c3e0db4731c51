"""What the graphs of both sides of a claim say: their degree, their longest sums, and how far they may be apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.results import Finding, Kind, Sides
from convcheck.rewriting.transplant import Transplant
from convcheck.rounding.precision import LAMBDA, Arithmetic
from convcheck.rounding.running_error import Computed
from convcheck.sides.sample import Sample
from convcheck.tracing.facts import SIGNIFICANT_BITS, Facts
from convcheck.tracing.magnitudes import magnitudes
from convcheck.tracing.pieces import Piece, pieces
from convcheck.tracing.running_error import bound
from convcheck.tracing.trace import Note, NoteKind, Trace

FLOAT64_BITS = 53


@dataclass(frozen=True)
class Graphs:
    """The graphs of both sides, and the facts that were read off them."""

    traces: Sides[Trace]
    facts: Sides[Facts]
    hooked: tuple[str, ...] = ()
    """Parameters on whose gradients hooks stand."""
    elsewhere: tuple[str, ...] = ()
    """Sentences on code that is another program in the asked dtype than its graph is."""

    @property
    def obstacle(self) -> str | None:
        """The first operator that keeps integers from telling, with its line."""
        return next((str(facts.obstacle) for facts in self._facts() if facts.obstacle is not None), None)

    @property
    def own_backward(self) -> bool:
        """Whether gradients are computed by code of a side's own, which on other numbers may do anything."""
        noted = any(note.kind is NoteKind.BACKWARD for facts in self._facts() for note in facts.notes)
        return noted or bool(self.hooked)

    def degree(self, mapping: Transplant) -> int | None:
        """Return the degree of both sides as polynomials that integers can probe; None where one is none."""
        ours, theirs = self.facts.reference.degree, self.facts.candidate.degree
        if self.obstacle is not None or ours is None or theirs is None or mapping.bits is None:
            return None
        # A constant is a polynomial of any degree.
        return max(ours, theirs * mapping.degree, 1)

    def index_limits(self) -> dict[int, int]:
        """Return below what whole inputs have to stay, by their number."""
        limits: dict[int, int] = {}
        for facts in self._facts():
            for number, limit in facts.index_limits.items():
                limits[number] = min(limit, limits.get(number, limit))
        return limits

    @property
    def hides_gradients(self) -> bool:
        """Whether a side computes something without a gradient."""
        return any(note.kind is NoteKind.GRADIENT for facts in self._facts() for note in facts.notes)

    def longest_sum(self, mapping: Transplant, ones: Sample) -> float:
        """Return how large any partial sum can be where all numbers are at most 1, in units of its last digit.

        That is of outputs and gradients, of both sides, whatever the signs of constants. Where numbers are cast to a
        narrower dtype on the way, the units are larger.
        """
        longest = 1.0
        mapped = mapping.positive().forward(ones.parameters)
        sides = ((ones.parameters, 1.0), (mapped, _copies(mapped, ones)))
        for trace, facts, (tensors, copies) in zip(self._traces(), self._facts(), sides, strict=True):
            met = magnitudes(trace, facts, ones.inputs, tensors)
            largest = max(met.forward, met.backward * copies)
            longest = max(longest, largest * 2.0 ** ((facts.bits or 0) + FLOAT64_BITS - facts.significant_bits))
        return longest

    def unused(self) -> frozenset[str]:
        """Return the parameters of the reference that no output depends on."""
        trace = self.traces.reference
        nodes = trace.graph.graph.find_nodes(op="placeholder")
        pairs = zip(nodes, trace.placeholders, strict=True)
        return frozenset(one.name for node, one in pairs if one.kind == "parameter" and not node.users)

    def pieces(self, mapping: Transplant, sample: Sample) -> Iterator[tuple[Piece, bool]]:
        """Yield the pieces of both sides, and whether a sample meets them."""
        mapped = mapping.forward(sample.parameters)
        for trace, tensors in zip(self._traces(), (sample.parameters, mapped), strict=True):
            yield from pieces(trace, trace.arguments(sample.inputs, tensors)).items()

    def errors(self, mapping: Transplant, sample: Sample, unit: Arithmetic) -> Sides[Tensor]:
        """Return bounds of the errors of both outputs at a sample in an arithmetic: float64, `[*output]`.

        Raises:
            NoErrorRule: no rule bounds the error of an operator.
        """
        reference, candidate = self._traces()
        arguments = candidate.arguments(sample.inputs, mapping.forward(sample.parameters))
        errors = _mapping_errors(mapping, sample, unit)
        # What the map rounds is open before the candidate begins.
        open_arguments = [
            Computed(tensor, errors[one.name]) if one.name in errors else tensor
            for one, tensor in zip(candidate.placeholders, arguments, strict=True)
        ]
        return Sides(
            bound(reference.graph, reference.arguments(sample.inputs, sample.parameters), unit).error,
            bound(candidate.graph, open_arguments, unit).error,
        )

    def distance(self, mapping: Transplant) -> Callable[[Sample, Arithmetic], Tensor]:
        """Return what bounds the distance of both outputs under a mapping; see `errors`."""

        def apart(sample: Sample, unit: Arithmetic) -> Tensor:
            errors = self.errors(mapping, sample, unit)
            return errors.reference + errors.candidate

        return apart

    def remarks(self, dtype: torch.dtype) -> Iterator[Finding]:
        """Yield what is to be said of a side beside what it computes, such as a detach, with its line.

        A cast to a dtype that is narrower than the asked one is about rounding: its bound is wider than that of others.
        """
        for name, facts in zip(("reference", "candidate"), self._facts(), strict=True):
            is_narrow = facts.significant_bits < SIGNIFICANT_BITS[dtype]
            for note in dict.fromkeys(facts.notes):
                kind = Kind.ROUNDING if is_narrow and note.kind is NoteKind.CAST else Kind.CODE
                yield Finding(kind, f"the {name} {note.text}{f' at {note.place}' if note.place else ''}")
        for name in self.hooked:
            yield Finding(Kind.CODE, f"a hook stands on the gradient of {name}")

    def notes(self) -> Iterator[Note]:
        """Yield what was noted of either side."""
        for facts in self._facts():
            yield from facts.notes

    def _facts(self) -> tuple[Facts, Facts]:
        return self.facts.reference, self.facts.candidate

    def _traces(self) -> tuple[Trace, Trace]:
        return self.traces.reference, self.traces.candidate


def _copies(mapped: Mapping[str, Tensor], ones: Sample) -> float:
    """Return into how many of the `mapped` parameters a number goes at most, so many gradients are added up for it."""
    outputs = [tensor for tensor in mapped.values() if tensor.requires_grad]
    if not outputs:
        return 1.0
    inputs = list(ones.variables().values())
    counts = torch.autograd.grad(
        outputs, inputs, [torch.ones_like(tensor) for tensor in outputs], materialize_grads=True
    )
    return max(1.0, *(float(count.max()) for count in counts if count.numel()))


def _mapping_errors(mapping: Transplant, sample: Sample, unit: Arithmetic) -> dict[str, Tensor]:
    """Return how far the parameters that the map computes may be from the truth, by name: float64, of their shapes.

    A sum of n products is off by lambda * sqrt(n) * u_acc of the sum of their magnitudes, and by u_out for every number
    that is stored; for the source see `convcheck.rounding.running_error`.
    """
    rounding = {move.target: move.roundings for move in mapping.moves if move.rounds}
    if not rounding:
        return {}
    magnitudes = mapping.magnitudes(sample.parameters)
    terms = mapping.magnitudes({name: torch.ones_like(tensor) for name, tensor in sample.parameters.items()})
    return {
        name: (count * unit.output + LAMBDA * terms[name].clamp(min=1).sqrt() * unit.accumulator) * magnitudes[name]
        for name, count in rounding.items()
    }
