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
from torch.fx.experimental import _config
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only
from torch.utils._sympy.numbers import int_oo
from torch.utils._sympy.value_ranges import ValueRanges

from convcheck.all_sizes.conditions import require
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

    def sizes(self, smallest: int = SMALLEST) -> Sizes:
        """Return what is known of all sizes on this path."""
        lowest = {s: smallest for shape in self.lengths.values() for s in shape if s.is_Symbol}
        sizes = Sizes(lowest, self.names)
        require(sizes, [*self.guards.reference, *self.guards.candidate])
        return sizes

    def world(self, smallest: int = SMALLEST) -> Sizes:
        """Return what is known of all sizes at which the reference's weights fit its input."""
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
) -> SymbolicTrace:
    """Trace the reference and the candidate, functions of the tensors by name, at symbolic sizes.

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

        def both(*arguments: Tensor) -> tuple[Any, Any]:
            by_name = dict(zip((one.name for one in given), arguments, strict=True))
            with _Copies():
                first = reference(by_name)
                ends.append(len(env.guards))
                return first, candidate(by_name)

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
    return SymbolicTrace(graph, path())


_COPYING = frozenset(
    (Tensor.reshape, torch.reshape, Tensor.flatten, torch.flatten, functional.linear, Tensor.matmul, torch.matmul)
    + (Tensor.__matmul__, torch.einsum, torch.bmm, Tensor.bmm, torch.tensordot)
)
"""Functions that give the same whether their arguments are laid out one way or another, and copy where they have to."""


_MOVING = frozenset(
    ("view", "view_as", "transpose", "permute", "select", "narrow", "unsqueeze", "squeeze", "expand", "expand_as", "t")
    + ("chunk", "split", "unbind", "movedim", "swapaxes", "swapdims", "unfold", "diagonal", "__getitem__")
    + ("reshape", "flatten", "unflatten", "detach", "view_as_real")
)
"""Functions whose results share memory with their argument."""
_LEAVING = frozenset(("numpy", "__array__", "__dlpack__", "data_ptr"))
"""Functions that hand out memory, which means nothing in a trace."""
_CASTING = frozenset(("to", "float", "double", "half", "bfloat16", "type", "type_as", "contiguous"))
"""Functions whose results may share memory with their argument."""


class MayShare(Exception):  # noqa: N818  # it is an answer, not a fault
    """Code writes to a tensor that shares memory with another at some sizes, or in some dtypes, and not at others."""


class LeavesTorch(Exception):  # noqa: N818  # it is an answer, not a fault
    """Code takes numbers out of a tensor, which has none in a trace."""


class _Copies(TorchFunctionMode):
    """Copies what goes into functions that would ask how it is laid out, and branch on it.

    What torch computes is the same; paths through its code would be many more. What may share memory with its argument,
    as after `reshape`, must not be written to.
    """

    def __init__(self) -> None:
        super().__init__()
        self._may_share: list[Tensor] = []

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name in _LEAVING:
            raise LeavesTorch("takes numbers out of a tensor")
        shares = any(one is tensor for one in arguments if isinstance(one, Tensor) for tensor in self._may_share)
        if shares and _writes(function, name, arguments, options or {}):
            raise MayShare(f"{name} writes to what may share memory with another tensor, or be a copy")
        if name == "squeeze":
            _ask_for_ones(*arguments, **(options or {}))
        result = self._run(function, arguments, options)
        if name in ("reshape", "flatten") or name in _CASTING or (shares and name in _MOVING):
            self._may_share += result if isinstance(result, (tuple, list)) else [result]
        return result

    def _run(self, function: Any, arguments: Any, options: Any) -> Any:
        if function in _COPYING:
            arguments = tree_map_only(Tensor, lambda one: one.clone(memory_format=torch.contiguous_format), arguments)
        if function is functional.linear:
            return _linear(*arguments, **(options or {}))
        if function is functional.pad and (padded := _circular(*arguments, **(options or {}))) is not None:
            return padded
        return function(*arguments, **(options or {}))


def _writes(function: Any, name: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> bool:
    """Tell whether a function writes to its first argument."""
    in_place = name.endswith("_") and not name.endswith("__")
    by_operator = name == "__setitem__" or (
        name.startswith("__i") and name not in ("__index__", "__int__", "__invert__")
    )
    asked = options.get("inplace") is True or "out" in options
    functions = getattr(function, "__module__", "") == functional.__name__ and any(one is True for one in arguments)
    return in_place or by_operator or asked or functions


def _ask_for_ones(tensor: Tensor, dim: int | Sequence[int] | None = None) -> None:
    """Have the trace note whether lengths are 1 that `squeeze` asks for, which its own kernel does not."""
    axes = range(tensor.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    for axis in axes:
        bool(tensor.shape[axis] == 1)


def _circular(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor | None:
    """Return circular padding as a concatenation, which torch writes to views instead; None for all others."""
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    if mode != "circular" or value is not None or input.dim() not in (len(pairs) + 1, len(pairs) + 2):
        return None
    if any(before < 0 or after < 0 for before, after in pairs):
        return None
    for number, (before, after) in enumerate(pairs):
        axis = input.dim() - 1 - number
        size = input.shape[axis]
        if before > size or after > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        first, last = input.narrow(axis, size - before, before), input.narrow(axis, 0, after)
        input = torch.cat([first, input, last], axis)
    return input


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # as torch calls it
    """Return what `linear` does. With a bias torch asks for the lengths of three axes as numbers."""
    product = functional.linear(input, weight)
    return product if bias is None else product + bias


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
