"""Says where two graphs part: the first result of the candidate that has no equal among the reference's.

Both are run on one sample, and every result is known by its numbers, whatever their layout. A right candidate has
results without an equal, too, such as the columns of an unfold. So what counts is the last result on the way to the
output that has one: what is computed of it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from convcheck.proof.context import Context, Evidence
from convcheck.proof.observations import stream
from convcheck.results import Agreement, Finding, Kind
from convcheck.sides.sample import Sample

if TYPE_CHECKING:
    from convcheck.tracing.trace import Trace

DIGITS = 9
"""How many digits of the largest number are compared: rounding in float64 reaches no further."""


def examine(context: Context) -> Evidence:
    """Say up to where a candidate that differs computes what the reference does."""
    graphs = context.pair.graphs
    exact = context.result.exact.status is Agreement.DIFFERENT
    differs = exact or any(reason.kind is Kind.ROUNDING for reason in context.result.reasons)
    if graphs is None or not differs or context.result.suggestions:
        return Evidence(Agreement.NOT_APPLICABLE)
    sample = context.pair.balanced(stream(context.case.seed, 0)).mapped(torch.Tensor.detach)
    mapped = Sample(sample.inputs, context.pair.mapping.forward(sample.parameters))
    texts = parting(graphs.traces.reference, sample, graphs.traces.candidate, mapped)
    return Evidence(Agreement.DIFFERENT, tuple(Finding(Kind.LOCATION, text) for text in texts))


def parting(reference: Trace, sample: Sample, candidate: Trace, mapped: Sample) -> Iterator[str]:
    """Yield a sentence on where the candidate's graph leaves the reference's; none where no line is known."""
    from convcheck.tracing.operators import name_of

    known = set(_results(reference, sample).values())
    results = _results(candidate, mapped)
    alike = {node: fingerprint in known for node, fingerprint in results.items()}
    node = candidate.graph.graph.output_node().args[0]
    path: list[fx.Node] = []
    # Follow what is wrong upwards, by the argument that is, as far as there is one.
    while isinstance(node, fx.Node) and not alike.get(node, True):
        path.append(node)
        node = next((one for one in node.all_input_nodes if not alike.get(one, True)), None)
    if not path:
        return
    # Of the results without an equal, the first ones may be another way to compute the same.
    first = path[-1]
    place = candidate.place_of(first)
    if place is not None:
        first_one = "the candidate's first value that the reference never computes, in any order of axes"
        yield f"{name_of(first)} at {place} is {first_one}"


def _results(trace: Trace, sample: Sample) -> dict[fx.Node, tuple[Any, ...]]:
    """Return the fingerprints of all results of a graph that are tensors of numbers."""
    watched = _Watched(trace.graph)
    with torch.no_grad():
        watched.run(*trace.arguments(sample.inputs, sample.parameters))
    return watched.fingerprints


class _Watched(fx.Interpreter):
    """Runs a graph, and keeps the fingerprint of every result."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.fingerprints: dict[fx.Node, tuple[Any, ...]] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if isinstance(result, Tensor) and result.is_floating_point():
            self.fingerprints[node] = _fingerprint(result)
        return result


def _fingerprint(result: Tensor) -> tuple[Any, ...]:
    """Return what all layouts of a tensor share: how many numbers it has, the ends of their range, and sums of them."""
    numbers = result.detach().double().flatten().sort().values
    if not len(numbers):
        return (0,)
    weights = torch.linspace(0.5, 1.5, len(numbers), dtype=torch.float64)
    # None of these sums cancels.
    marks = (numbers[0], numbers[-1], numbers.abs().sum(), ((numbers - numbers[0]) * weights).sum())
    return (len(numbers), *(f"{float(mark):.{DIGITS}g}" for mark in marks))
