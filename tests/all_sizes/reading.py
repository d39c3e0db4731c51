"""Holds readings against torch: a function is traced with lengths that vary, read, and evaluated entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.all_sizes.evaluate import evaluate, with_made
from convcheck.all_sizes.reading import read
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.trace import Given, trace_both

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Law:
    """A function of tensors, shapes to trace it with, and others to hold it against torch at.

    `fixed` names axes, as (tensor, axis), whose lengths are numbers.
    """

    run: Callable[..., Tensor]
    shapes: Shapes
    others: tuple[Shapes, ...] = ()
    fixed: tuple[tuple[int, int], ...] = ()
    is_exact: bool = True
    kinds: tuple[torch.dtype, ...] = ()
    """The dtypes of the tensors, where they are not all floats. Whole numbers are drawn from 0 to 2."""


def given(law: Law) -> list[Given]:
    """Return the tensors of a law."""
    return [
        Given(
            f"input.{number}",
            shape,
            law.kinds[number] if law.kinds else torch.float64,
            tuple(size > 1 and (number, axis) not in law.fixed for axis, size in enumerate(shape)),
        )
        for number, shape in enumerate(law.shapes)
    ]


def check(law: Law, seed: int = 0) -> list[str]:
    """Hold a law at its own shapes and at the others; return the operators in its graph."""
    tensors = given(law)
    count = len(tensors)

    def run(by_name: dict[str, Tensor]) -> Tensor:
        return law.run(*(by_name[f"input.{number}"] for number in range(count)))

    trace = trace_both(run, run, tensors)
    sizes = trace.path.sizes()
    sources = Sources(sizes)
    placeholders = trace.graph.graph.find_nodes(op="placeholder")
    inputs = {
        node: sources.tensor(name, trace.path.lengths[name])
        for node, name in zip(placeholders, trace.path.lengths, strict=True)
    }
    values = read(trace.graph, inputs, sources)
    first = trace.graph.graph.output_node().args[0][0]
    generator = torch.Generator().manual_seed(seed)
    for shapes in (law.shapes, *law.others):
        drawn = [_drawn(shape, one.dtype, generator) for shape, one in zip(shapes, tensors, strict=True)]
        at = {
            str(symbol): size
            for name, shape in zip(trace.path.lengths, shapes, strict=True)
            for symbol, size in zip(trace.path.lengths[name], shape, strict=True)
            if not symbol.is_Number
        }
        expected = law.run(*(tensor.clone() for tensor in drawn))
        every = with_made(sources, at, dict(zip(trace.path.lengths, drawn, strict=True)))
        result = evaluate(values[first], at, every)
        assert result.shape == expected.shape, (result.shape, expected.shape)
        if law.is_exact:
            assert torch.equal(result, expected.double()), shapes
        else:
            torch.testing.assert_close(result, expected.double(), rtol=1e-12, atol=1e-12)
    nodes = trace.graph.graph.nodes
    return [str(node.target).removeprefix("aten.") for node in nodes if node.op == "call_function"]


def _drawn(shape: tuple[int, ...], kind: torch.dtype, generator: torch.Generator) -> Tensor:
    if kind == torch.float64:
        return torch.randint(-9, 10, shape, generator=generator).double()
    return torch.randint(0, 2 if kind == torch.bool else 3, shape, generator=generator).to(kind)
