"""Reads a graph, operator by operator, into tensors for all sizes."""

from __future__ import annotations

import importlib
import operator
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.all_sizes import budget, readers
from convcheck.all_sizes.new_values import as_truth
from convcheck.all_sizes.polynomials import Size
from convcheck.all_sizes.sizes import CannotProve, Sizes
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.value import Value
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
LARGEST_FACTORS = {torch.int64: 2**20, torch.int32: 2**8}
"""What a length may be multiplied with without wrapping around."""
MULTIPLYING = ("mul", "pow", "bitwise_left_shift", "__lshift__", "cumprod", "prod")

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
    """Check that an operator's numbers do not round or wrap around as no polynomial does. Raises CannotProve."""
    for tensor in _tensors(node):
        if tensor.dtype not in WIDE:
            raise CannotProve(f"makes {tensor.dtype}".replace("torch.", ""))
        if tensor.dtype in LARGEST_FACTORS and str(node.target).removeprefix("aten.").startswith(MULTIPLYING):
            numbers = [one for one in node.args if isinstance(one, int)]
            if any(abs(one) > LARGEST_FACTORS[tensor.dtype] for one in numbers):
                raise CannotProve(f"with large numbers in {tensor.dtype}".replace("torch.", ""))


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
