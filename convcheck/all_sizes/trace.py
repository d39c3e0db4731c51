"""Traces both sides of a claim at once, with sizes that are symbols: one graph, and what it takes for granted of them.

torch's own tracers fix a size where code asks for a number, and note a condition where it branches on one; both are
read off here. Lengths are taken to be 2 at least, so that none of them is taken for one that is broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy
import torch
from torch import Tensor, fx, nn
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental import _config
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._sympy.numbers import int_oo
from torch.utils._sympy.value_ranges import ValueRanges

from convcheck.all_sizes.conditions import require
from convcheck.all_sizes.functions import Functions
from convcheck.all_sizes.plain_numbers import plain_numbers
from convcheck.all_sizes.sizes import Sizes
from convcheck.results import Sides
from convcheck.tracing import capture

SMALLEST = 2
INPUT = "input."
"""What the name of an input begins with; its number follows."""


@dataclass(frozen=True)
class Given:
    """A tensor that goes in: its name, a shape to run with, its dtype, and which of its axes may vary."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    varies: tuple[bool, ...]


@dataclass(frozen=True)
class Path:
    """What a trace takes for granted: for every tensor its lengths, and the conditions it met, side by side.

    A length is a number, or a symbol that is named for the tensor and the axis.
    """

    lengths: Mapping[str, tuple[Any, ...]]
    guards: Sides[tuple[Any, ...]]
    names: Mapping[sympy.Symbol, sympy.Symbol]

    def sizes(self) -> Sizes:
        """Return what is known of all sizes on this path; what is learned of them later is the caller's own."""
        return self._sizes.copy()

    @cached_property
    def _sizes(self) -> Sizes:
        lowest = {s: SMALLEST for shape in self.lengths.values() for s in shape if s.is_Symbol}
        sizes = Sizes(lowest, self.names)
        require(sizes, [*self.guards.reference, *self.guards.candidate])
        return sizes

    def world(self, smallest: int = SMALLEST) -> Sizes:
        """Return what is known of all sizes at which the reference's weights fit its input."""
        return (self._world if smallest == SMALLEST else self._from(smallest)).copy()

    @cached_property
    def _world(self) -> Sizes:
        return self._from(SMALLEST)

    def _from(self, smallest: int) -> Sizes:
        symbols = {name: {s for s in shape if s.is_Symbol} for name, shape in self.lengths.items()}
        sizes = Sizes({s: smallest for group in symbols.values() for s in group}, self.names)
        weights = {s for name, group in symbols.items() for s in group if not name.startswith(INPUT)}
        for guard in self.guards.reference:
            if isinstance(guard, sympy.Eq) and guard.xreplace(self.names).free_symbols & weights:
                require(sizes, [guard])
        return sizes


@dataclass(frozen=True)
class SymbolicTrace:
    """The graph of both sides, with two outputs, and the path on which it holds."""

    graph: fx.GraphModule
    path: Path
    asks_dtype: bool = False
    """Whether code other than torch's asks a tensor for its dtype, on which it may branch."""


class SideRaises(Exception):  # noqa: N818  # it is an answer, not a fault
    """A side raises on a path; `side` is `reference` or `candidate`."""

    def __init__(self, side: str, error: Exception, path: Path) -> None:
        self.side, self.error, self.path = side, error, path
        lines = str(error).strip().splitlines()
        super().__init__(lines[0] if lines else type(error).__name__)


def trace_both(
    reference: Callable[[Mapping[str, Tensor]], Any],
    candidate: Callable[[Mapping[str, Tensor]], Any],
    given: Sequence[Given],
    modules: Sequence[nn.Module] = (),
) -> SymbolicTrace:
    """Trace the reference and the candidate, functions of the tensors by name, at symbolic sizes.

    `modules` are those whose code runs.

    Raises:
        SideRaises: a side cannot be run, or not be traced, at these sizes.
    """
    # Whether a length is 1 matters where code asks, and not for how torch lays its results out.
    config: Any = _config
    with config.patch(backed_size_oblivious=True), capture.quiet(), torch.no_grad():
        env = ShapeEnv(duck_shape=False)
        mode = FakeTensorMode(shape_env=env, allow_non_fake_inputs=True)
        # With symbols for sizes its cache costs more than it saves.
        mode.cache_enabled = False
        tensors = [_fake(mode, one) for one in given]
        lengths, names = _lengths(given, tensors)
        for symbol in names:
            env.var_to_range[symbol] = ValueRanges(SMALLEST, int_oo)
        ends: list[int] = []
        functions = Functions()

        def both(*arguments: Tensor) -> tuple[Any, Any]:
            by_name = dict(zip((one.name for one in given), arguments, strict=True))
            with functions, plain_numbers(modules):
                first = reference(by_name)
                ends.append(len(env.guards))
                second = candidate(by_name)
            if functions.refused is not None:
                raise functions.refused
            return first, second

        def path() -> Path:
            guards = [one.expr for one in env.guards]
            end = ends[0] if ends else len(guards)
            return Path(lengths, Sides(tuple(guards[:end]), tuple(guards[end:])), names)

        try:
            # Attention is decomposed. Operators that torch writes with plain numbers would fix sizes: it has them in
            # Python as well. What makes tensors may take symbols for sizes.
            with mode, enable_python_dispatcher(), sdpa_kernel(SDPBackend.MATH):
                graph = capture.by_fake_tensors(both, tensors)
        except Exception as error:  # whatever a side raises
            raise SideRaises("candidate" if ends else "reference", error, path()) from None
    graph.graph.eliminate_dead_code()
    return SymbolicTrace(graph, path(), functions.asks_dtype)


def _fake(mode: FakeTensorMode, one: Given) -> Tensor:
    kinds = [DimDynamic.DYNAMIC if varies else DimDynamic.STATIC for varies in one.varies]
    context: Any = StatelessSymbolicContext(dynamic_sizes=kinds)
    tensor = torch.empty(one.shape, dtype=one.dtype)
    return mode.from_tensor(tensor, symbolic_context=context, source=ConstantSource(symbol_name(one.name)))


def symbol_name(tensor: str, axis: int | str = "") -> str:
    """Return the name of the length of an axis, as isl takes it."""
    text = f"{tensor}.{axis}".replace(".", "_").rstrip("_")
    return text if text[0].isalpha() else f"n{text}"


def symbol(name: str) -> sympy.Symbol:
    """Return the symbol of a length, by its name."""
    return sympy.Symbol(name, integer=True, positive=True)


def lengths_of(one: Given) -> dict[str, int]:
    """Return the lengths that vary of a tensor that goes in, by the names of their symbols."""
    lengths = zip(one.shape, one.varies, strict=True)
    return {symbol_name(one.name, axis): size for axis, (size, varies) in enumerate(lengths) if varies}


def free_symbols(path: Path) -> tuple[str, ...]:
    """Return the names of lengths that vary by themselves: those of inputs, and those of weights that none sets."""
    sizes, taken, free = path.world(), set[sympy.Symbol](), list[str]()
    for tensor in sorted(path.lengths, key=lambda name: not name.startswith(INPUT)):
        for length in path.lengths[tensor]:
            if length.is_Symbol and (tensor.startswith(INPUT) or sizes.size(length).free_symbols - taken):
                taken |= sizes.size(length).free_symbols
                free.append(str(length))
    return tuple(free)


def _lengths(
    given: Sequence[Given], tensors: Sequence[Tensor]
) -> tuple[dict[str, tuple[Any, ...]], dict[sympy.Symbol, sympy.Symbol]]:
    """Return the lengths of all tensors, and what torch calls the symbols among them."""
    lengths, names = {}, {}
    for one, tensor in zip(given, tensors, strict=True):
        shape: list[Any] = []
        for axis, size in enumerate(tensor.shape):
            expression = getattr(getattr(size, "node", None), "expr", None)
            if isinstance(expression, sympy.Symbol):
                names[expression] = symbol(symbol_name(one.name, axis))
                shape.append(names[expression])
            else:
                shape.append(sympy.Integer(int(size)))
        lengths[one.name] = tuple(shape)
    return lengths, names
