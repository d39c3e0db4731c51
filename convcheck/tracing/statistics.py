"""Which buffers are running statistics, and which integer inputs index rows: read off how a graph uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, fx

from convcheck.tracing.operators import name_of
from convcheck.tracing.operators.movement import MOVES
from convcheck.tracing.reading import bind
from convcheck.tracing.trace import Placeholder, Trace

_NORMALISING = "_native_batch_norm_legit_no_training"
_ROOTS = ("sqrt", "rsqrt", "pow")


def statistics_of(trace: Trace) -> dict[str, float | None]:
    """Return the eps that is added to a running variance, by buffer, and None for what goes with one.

    A variance is a buffer to which a number is added before a root is taken. Other buffers of floats of the same module
    and shape go with it: a running mean, and weight and bias where they are buffers, too.
    """
    buffers = [
        (one, node)
        for one, node in zip(trace.placeholders, trace.graph.graph.find_nodes(op="placeholder"), strict=True)
        if one.kind == "buffer" and one.value is not None and one.value.is_floating_point()
    ]
    variances = {one.name: eps for one, node in buffers for eps in _eps_of(node)}
    siblings = {(_owner(one), _shape(one)) for one, _ in buffers if one.name in variances}
    means = {
        one.name: None for one, _ in buffers if one.name not in variances and (_owner(one), _shape(one)) in siblings
    }
    return {**variances, **means}


def index_limits_of(trace: Trace) -> dict[int, int]:
    """Return, by number of an integer input, the length of the shortest axis that it indexes as it is."""
    limits: dict[int, int] = {}
    inputs = dict(zip(trace.graph.graph.find_nodes(op="placeholder"), trace.placeholders, strict=True))
    for node in trace.graph.graph.nodes:
        for index, length in _indexed(node) if node.op == "call_function" else ():
            source = _origin(index)
            one = inputs.get(source)
            if one is not None and one.kind == "input":
                number = int(one.name)
                limits[number] = min(length, limits.get(number, length))
    return limits


def _owner(one: Placeholder) -> str:
    return one.name.rpartition(".")[0]


def _shape(one: Placeholder) -> tuple[int, ...]:
    return () if one.value is None else tuple(one.value.shape)


def _eps_of(node: fx.Node) -> Iterator[float]:
    """Yield the eps with which a root is taken of a buffer, which may be moved before."""
    for user in node.users:
        name = name_of(user)
        if name == _NORMALISING and bind(user, lambda one: one)["running_var"] is node:
            yield float(bind(user, lambda one: one)["eps"])
        elif name in (*MOVES, "_to_copy"):
            yield from _eps_of(user)
        elif name == "add" and user.args[0] is node and isinstance(user.args[1], (int, float)) and _rooted(user):
            yield float(user.args[1])


def _rooted(node: fx.Node) -> bool:
    return any(
        name_of(user) in _ROOTS and (name_of(user) != "pow" or user.args[1] in (0.5, -0.5)) for user in node.users
    ) or any(_rooted(user) for user in node.users if name_of(user) in MOVES)


def _indexed(node: fx.Node) -> Iterator[tuple[fx.Node, int]]:
    """Yield the tensors by which an operator indexes, with the length of the axis."""
    name = name_of(node)
    if name == "embedding":
        bound = bind(node, lambda one: one)
        yield bound["indices"], _length(bound["weight"], 0)
    elif name in ("index", "_unsafe_index", "index_put"):
        bound = bind(node, lambda one: one)
        for axis, index in enumerate(bound["indices"]):
            # A mask may have several axes, and has no limit.
            if index is not None and not _is_mask(index):
                yield index, _length(bound["self"], axis)
    elif name in ("gather", "index_select", "index_add", "index_copy", "scatter", "scatter_add"):
        bound = bind(node, lambda one: one)
        yield bound["index"], _length(bound["self"], bound["dim"])


def _length(node: fx.Node, axis: int) -> int:
    value: Tensor = node.meta["val"]
    return int(value.shape[axis])


def _is_mask(node: fx.Node) -> bool:
    return str(node.meta["val"].dtype) in ("torch.bool", "torch.uint8")


def _origin(node: fx.Node) -> Any:
    """Return the node whose entries these are, before they were moved."""
    while node.op == "call_function" and name_of(node) in (*MOVES, "_to_copy"):
        node = node.all_input_nodes[0]
    return node
