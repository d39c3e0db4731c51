"""Traces both sides of a claim at once, with sizes that are symbols: one graph, and what it takes for granted of them.

torch's own tracers fix a size where code asks for a number, and note a condition where it branches on one; both are
read off here. Lengths are taken to be 2 at least, so that none of them is taken for one that is broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from torch import Tensor, fx
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functionalize
from torch.fx.experimental import _config
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._sympy.numbers import int_oo
from torch.utils._sympy.value_ranges import ValueRanges

from convcheck.all_sizes.sizes import Sizes
from convcheck.results import Sides
from convcheck.tracing import capture

SMALLEST = 2


@dataclass(frozen=True)
class Given:
    """A tensor that goes in: its name, a shape to run with, its dtype, and which of its axes may vary."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    varies: tuple[bool, ...]


@dataclass(frozen=True)
class SymbolicTrace:
    """The graph of both sides, with two outputs.

    `symbols` has, for every tensor that goes in, its lengths: a symbol of torch's, or a number. `guards` are the
    conditions that the graph holds under, those of the reference and those that the candidate adds.
    """

    graph: fx.GraphModule
    symbols: Mapping[str, tuple[Any, ...]]
    guards: Sides[tuple[Any, ...]]
    env: ShapeEnv

    def sizes(self) -> Sizes:
        """Return what is known of all sizes."""
        lowest = {s: SMALLEST for shape in self.symbols.values() for s in shape if isinstance(s, sympy.Symbol)}
        sizes = Sizes(lowest)
        for symbol, expression in self.env.replacements.items():
            if symbol in lowest:
                sizes.replace(symbol, expression)
        sizes.require([*self.guards.reference, *self.guards.candidate])
        return sizes


def trace_both(
    run: Callable[[Mapping[str, Tensor]], Any], candidate: Callable[[Mapping[str, Tensor]], Any], given: Sequence[Given]
) -> SymbolicTrace:
    """Trace the reference and the candidate, functions of the tensors by name, at symbolic sizes.

    Raises whatever the sides raise, and what torch's tracer does.
    """
    # Whether a length is 1 matters where code asks, and not for how torch lays its results out.
    with _config.patch(backed_size_oblivious=True), capture.quiet(), torch.no_grad():
        env = ShapeEnv(duck_shape=False)
        mode = FakeTensorMode(shape_env=env, allow_non_fake_inputs=True)
        tensors = [_fake(mode, one) for one in given]
        symbols = {
            one.name: tuple(getattr(getattr(size, "node", None), "expr", sympy.sympify(size)) for size in tensor.shape)
            for one, tensor in zip(given, tensors, strict=True)
        }
        for symbol in {s for shape in symbols.values() for s in shape if isinstance(s, sympy.Symbol)}:
            env.var_to_range[symbol] = ValueRanges(SMALLEST, int_oo)
        ends: list[int] = []

        def both(*arguments: Tensor) -> tuple[Any, Any]:
            by_name = dict(zip((one.name for one in given), arguments, strict=True))
            reference = run(by_name)
            ends.append(len(env.guards))
            return reference, candidate(by_name)

        # Attention is decomposed, and a decomposition may take symbols for sizes.
        with capture.all_frames(), enable_python_dispatcher(), sdpa_kernel(SDPBackend.MATH):
            graph = make_fx(functionalize(both), record_stack_traces=True, _allow_non_fake_inputs=True)(*tensors)
    graph.graph.eliminate_dead_code()
    guards = [one.expr for one in env.guards]
    return SymbolicTrace(graph, symbols, Sides(tuple(guards[: ends[0]]), tuple(guards[ends[0] :])), env)


def _fake(mode: FakeTensorMode, one: Given) -> Tensor:
    kinds = [DimDynamic.DYNAMIC if varies else DimDynamic.STATIC for varies in one.varies]
    context: Any = StatelessSymbolicContext(dynamic_sizes=kinds)
    tensor = torch.empty(one.shape, dtype=one.dtype, device="meta")
    return mode.from_tensor(tensor, symbolic_context=context, source=ConstantSource(f"t_{one.name.replace('.', '_')}"))
