"""Reads a graph, operator by operator, into tensors for all sizes."""

from __future__ import annotations

import importlib
import operator
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.all_sizes import budget, readers
from convcheck.all_sizes.floats import is_exact, is_short
from convcheck.all_sizes.new_values import as_truth
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.value import Value
from convcheck.all_sizes.whole_numbers import is_known
from convcheck.tracing.reading import bind


@dataclass(frozen=True)
class Call:
    """An operator in a graph, with its arguments by the names of its schema: tensors as `Value`, sizes as `Size`."""

    name: str
    arguments: Mapping[str, Any]
    sizes: Sizes
    sources: Sources
    node: fx.Node

    def __getitem__(self, name: str) -> Any:
        return self.arguments.get(name)

    def size(self, name: str) -> Size:
        """Return a length that was given."""
        return self.sizes.size(self.arguments[name])

    def axis(self, name: str, rank: int) -> int:
        """Return the number of an axis, counted from the front."""
        number = int(self.arguments[name])
        return number + rank if number < 0 else number

    @property
    def shape(self) -> tuple[Size, ...]:
        """The shape of the (first) result, as torch traced it."""
        value = self.node.meta["val"]
        first = value[0] if isinstance(value, (tuple, list)) else value
        return tuple(self.sizes.size(one) for one in first.shape)


WIDE = frozenset(
    (torch.float64, torch.float32, torch.int64, torch.int32, torch.bool, torch.complex64, torch.complex128)
)
"""Dtypes that hold lengths, and what is computed of them."""
MOST = 2**10
"""What a length may be multiplied with without wrapping around, a few times."""
ADDING = frozenset(
    ("mul", "pow", "bitwise_left_shift", "__lshift__", "cumprod", "prod", "sum", "cumsum", "mm", "bmm", "matmul", "dot")
    + ("addmm", "baddbmm", "mv", "square")
)
"""Operators that make larger numbers than they take."""
CASTING = frozenset(("_to_copy", "convert_element_type"))
"""Operators that cut off what is asked for."""
FILLING = frozenset(
    ("copy", "fill", "full", "full_like", "new_full", "masked_fill", "constant_pad_nd", "scalar_tensor", "index_put")
    + ("slice_scatter", "select_scatter", "where", "clone")
)
"""Operators that put numbers into a tensor of whatever dtype."""
CUTTING = frozenset(
    ("floor", "ceil", "round", "trunc", "sign", "eq", "ne", "lt", "le", "gt", "ge", "floor_divide", "remainder", "fmod")
)
"""Operators that make other numbers of nearly the same ones."""

Reader = Callable[[Call], Any]
"""Takes a call, and returns its result: a Value, or a tuple of them. Raises CannotProve for what it does not read."""


@cache
def all_readers() -> Mapping[str, Reader]:
    """Return the reader of every operator, by torch's name with its overload, or without where it reads all."""
    found: dict[str, Reader] = {}
    for info in pkgutil.iter_modules(readers.__path__):
        found |= importlib.import_module(f"{readers.__name__}.{info.name}").READERS
    return found


class NoReading(CannotProve):  # it is an answer, not a fault
    """An operator has no reading, or not with these arguments; `node` is where it stands."""

    def __init__(self, name: str, why: str, node: fx.Node, undecided: str | None = None) -> None:
        self.operator, self.node = name, node
        super().__init__(f"{name}: {why}" if why else name, undecided)


def read(
    graph: fx.GraphModule,
    inputs: Mapping[fx.Node, Value],
    sources: Sources,
) -> dict[fx.Node, Any]:
    """Return what every node of a graph is, from what its placeholders are.

    Raises:
        NoReading: an operator cannot be read.
    """
    values: dict[fx.Node, Any] = dict(inputs)
    sizes = sources.sizes
    for node in graph.graph.nodes:
        budget.check_time()
        value = node.meta.get("val")
        if node.op in ("placeholder", "output"):
            if node in values and value.dtype == torch.bool:
                values[node] = as_truth(values[node])
            continue
        if node.op == "get_attr":
            values[node] = sources.constant(getattr(graph, str(node.target)))
            continue
        if not isinstance(value, (Tensor, tuple, list)):
            # Arithmetic of sizes was done by torch.
            values[node] = value
            continue
        name = str(node.target).removeprefix("aten.")
        try:
            values[node] = _result(node, name, values, sizes, sources)
        except CannotProve as error:
            if isinstance(error, NoReading):
                raise
            raise NoReading(name.partition(".")[0], error.why, node, error.undecided) from None
    return values


def _result(node: fx.Node, name: str, values: Mapping[fx.Node, Any], sizes: Sizes, sources: Sources) -> Any:
    if "getitem" in name:
        whole, number = node.args
        return values[whole][number]  # type: ignore[index]
    known = all_readers()
    reader = known.get(name) or known.get(name.partition(".")[0])
    if reader is None and changes_its_own(node):
        # `add_` of what nothing else reads is `add`.
        name = name.replace("_.", ".", 1)
        reader = known.get(name) or known.get(name.partition(".")[0])
    if reader is None:
        raise CannotProve("")
    _check_dtypes(node)
    _check_floats(node, values, sizes)
    arguments = bind(node, values.__getitem__)
    guards = _guards(node)
    try:
        result = reader(Call(name, arguments, sizes, sources, node))
    except (AttributeError, LookupError, TypeError, ValueError):
        # islpy has its own, where isl refuses to go on.
        if budget.refuses():
            raise
        raise CannotProve("with such arguments") from None
    if len(_guards(node)) > len(guards):
        # What was read is read at the lengths of the trace.
        raise CannotProve("an option depends on a length")
    _check_shape(node, result, sizes)
    return result


def _tensors(node: fx.Node) -> list[Tensor]:
    """Return the tensors that an operator makes, as they were traced."""
    value = node.meta.get("val")
    return [one for one in (value if isinstance(value, (tuple, list)) else [value]) if isinstance(one, Tensor)]


def _guards(node: fx.Node) -> list[Any]:
    """Return the conditions that were met so far by what traced an operator."""
    modes = [getattr(one, "fake_mode", None) for one in _tensors(node)]
    return [guard for mode in modes[:1] if mode is not None and mode.shape_env for guard in mode.shape_env.guards]


def _check_dtypes(node: fx.Node) -> None:
    """Check that the numbers of an operator's first result are those of reals. Raises CannotProve."""
    name = str(node.target).removeprefix("aten.").partition(".")[0].removesuffix("_")
    given = [one.dtype for argument in node.all_input_nodes for one in _tensors(argument)]
    numbers = list(_numbers(node))
    for tensor in _tensors(node)[:1]:
        dtype = tensor.dtype
        kind = str(dtype).removeprefix("torch.")
        if dtype not in WIDE or (dtype == torch.int32 and name in ADDING):
            raise CannotProve(f"makes {kind}")
        if dtype == torch.int64 and name in ADDING and any(isinstance(one, int) and abs(one) > MOST for one in numbers):
            raise CannotProve(f"with large numbers in {kind}")
        if dtype.is_floating_point or dtype.is_complex or name in CASTING:
            continue
        if dtype == torch.bool:
            truths = all(one == torch.bool for one in given)
            cut = name in FILLING and not (truths and all(isinstance(one, int) and one in (0, 1) for one in numbers))
        else:
            fractions = any(isinstance(one, (float, torch.SymFloat)) for one in numbers)
            cut = fractions or any(one.is_floating_point for one in given)
        if cut:
            raise CannotProve(f"cuts numbers off to {kind}")


def _numbers(node: fx.Node) -> Iterator[Any]:
    """Yield the arguments of an operator that are numbers, or expressions in sizes."""
    for argument in (*node.args, *node.kwargs.values()):
        value = argument.meta.get("val") if isinstance(argument, fx.Node) else argument
        if isinstance(value, (int, float, torch.SymInt, torch.SymFloat)) and not isinstance(value, bool):
            yield value


def _check_floats(node: fx.Node, values: Mapping[fx.Node, Any], sizes: Sizes) -> None:
    """Check that known numbers that an operator cuts off, or compares, were not rounded before. Raises CannotProve."""
    name = str(node.target).removeprefix("aten.").partition(".")[0]
    if name not in (*CUTTING, *CASTING):
        return
    value = node.meta.get("val")
    if name in CASTING and isinstance(value, Tensor) and value.dtype.is_floating_point:
        return
    for one in node.all_input_nodes:
        if isinstance(values.get(one), Value) and is_known(values[one]) and not _is_exact(one, sizes):
            raise CannotProve("of numbers that floats round")


def _is_exact(node: fx.Node, sizes: Sizes) -> bool:
    """Tell whether a tensor is made without rounding of floats."""
    if node.op != "call_function" or not any(one.dtype.is_floating_point for one in _tensors(node)):
        return True
    divides = str(node.target).removeprefix("aten.").partition(".")[0] in ("div", "reciprocal", "true_divide")
    # The numbers of a view are places and lengths.
    numbers = [] if _is_view(node) else list(_numbers(node))
    if (divides and not numbers) or not all(_is_short(one, sizes, divides) for one in numbers):
        return False
    return all(_is_exact(one, sizes) for one in node.all_input_nodes)


def _is_view(node: fx.Node) -> bool:
    """Tell whether an operator's result is a part of what goes in."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(one.alias_info is not None for one in schema.returns)


def _is_short(number: Any, sizes: Sizes, divides: bool) -> bool:
    """Tell whether floats are multiplied with a number, or divided by it, without rounding."""
    if isinstance(number, torch.SymInt):
        return not divides
    if isinstance(number, torch.SymFloat):
        expression, number = number.node.expr, sizes.size(number)
        # One quotient of exact numbers is rounded to the nearest one, which is itself if that is short.
        quotient = type(expression).__name__ in ("FloatTrueDiv", "IntTrueDiv") and all(map(is_exact, expression.args))
        if not number.is_number or not (quotient or is_exact(expression)):
            return False
    return is_short(number) and (not divides or (number != 0 and is_short(1 / number)))


def changes_its_own(node: fx.Node) -> bool:
    """Tell whether an operator overwrites a tensor that nothing else reads, and that shares no memory."""
    return _is_in_place(node) and _read_once(node.args[0], node)


def _is_in_place(node: fx.Node) -> bool:
    return str(node.target).removeprefix("aten.").partition(".")[0].endswith("_")


def _read_once(tensor: Any, by: fx.Node) -> bool:
    """Tell whether a tensor was made for one operator, so that no other sees what it overwrites."""
    if not isinstance(tensor, fx.Node) or tensor.op != "call_function" or list(tensor.users) != [by]:
        return False
    if tensor.target is operator.getitem:
        # Parts do not overlap, whoever overwrites them.
        whole = tensor.args[0]
        if not isinstance(whole, fx.Node) or not str(whole.target).startswith("aten.unsafe_split"):
            return False
        return _read_once(whole.args[0], whole)
    if _is_in_place(tensor):
        return _read_once(tensor.args[0], tensor)
    schema = getattr(tensor.target, "_schema", None)
    return schema is not None and all(one.alias_info is None for one in schema.returns)


def _check_shape(node: fx.Node, result: Any, sizes: Sizes) -> None:
    """Check that a reading has the shape that torch traced. Raises CannotProve."""
    traced = node.meta["val"]
    pairs = zip(result, traced, strict=True) if isinstance(traced, (tuple, list)) else [(result, traced)]
    for value, tensor in pairs:
        if not isinstance(value, Value) or not isinstance(tensor, Tensor):
            continue
        shape = [sizes.size(one) for one in tensor.shape]
        if len(shape) != value.rank or not all(map(sizes.same, value.shape, shape)):
            raise CannotProve(f"has the shape {shape}, and is read as {list(value.shape)}")
