"""Both sides as sums of products of inputs and entries, in one graph; what has no such reading is a source of its own.

Operators that read no sum of products, such as a GELU, are opaque: they take tensors, and what comes out is a tensor
that is known by nothing but its name. Two of them give the same where they are the same, and take the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
import torch
from torch import Tensor, fx
from torch.func import functional_call

from convcheck.all_sizes.compare import difference
from convcheck.all_sizes.layout import aligned
from convcheck.all_sizes.new_values import source
from convcheck.all_sizes.pieces import axis_of
from convcheck.all_sizes.reading import _result
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.trace import Given, trace_both
from convcheck.all_sizes.value import Value
from convcheck.proof.user_side import UserSide
from convcheck.results import Sides
from convcheck.solving.halves import Apart, Half
from convcheck.tracing.float64_copy import copied

INPUT, OURS, THEIRS = "input.", "reference.", "candidate."
"""What the names of inputs, and of both sides' tensors, begin with."""


@dataclass(frozen=True)
class Opaque:
    """What an operator without a reading makes of tensors; `operator` has all that it takes besides."""

    name: str
    operator: str
    arguments: tuple[Value, ...]
    node: fx.Node
    value: Value
    number: int | None = None
    """Which result it is, of an operator that makes several."""


@dataclass(frozen=True)
class Read:
    """Both outputs, what is opaque in between, in order, and the graph."""

    graph: fx.GraphModule
    names: Mapping[fx.Node, str]
    """Of what goes in."""
    outputs: Sides[Value]
    opaque: Mapping[str, Opaque] = field(default_factory=dict)


def read_both(halves: Sides[Half]) -> Read:
    """Read both sides at the shapes that they have.

    Raises:
        CannotProve: an output has no reading.
        Exception: torch's tracer may raise anything.
    """
    given = [
        _given(f"{INPUT}{number}", shape, halves, number) for number, shape in enumerate(halves.reference.side.inputs)
    ]
    for begin, half in ((OURS, halves.reference), (THEIRS, halves.candidate)):
        given += [_given(f"{begin}{name}", shape) for name, shape in half.shapes.items()]
    trace = trace_both(_running(halves.reference, OURS), _running(halves.candidate, THEIRS), given)
    sizes = trace.path.sizes()
    sources = _Unapplied(sizes)
    values: dict[fx.Node, Any] = {}
    opaque: dict[str, Opaque] = {}
    names, titles = iter(trace.path.lengths), dict[fx.Node, str]()
    for node in trace.graph.graph.nodes:
        if node.op == "placeholder":
            name = titles[node] = next(names)
            values[node] = sources.tensor(name, trace.path.lengths[name])
        elif node.op == "get_attr":
            values[node] = sources.constant(getattr(trace.graph, str(node.target)))
        elif node.op == "call_function":
            values[node] = _read(node, values, sources, opaque)
    ends = trace.graph.graph.output_node().args[0]
    one, other = (values[end] for end in ends)  # type: ignore[index,union-attr]
    return Read(trace.graph, titles, Sides(one, other), opaque)


class _Unapplied(Sources):
    """Sources where what an operator makes is always opaque, so that it is known what goes into it."""

    def applied(self, operator: str, *_: Any, **__: Any) -> Value:
        raise CannotProve(operator)


def _given(name: str, shape: tuple[int, ...], halves: Sides[Half] | None = None, number: int = 0) -> Given:
    kind = torch.float64
    if halves is not None and number in halves.reference.side.boolean_inputs:
        kind = torch.bool
    if halves is not None and number in halves.reference.side.whole_inputs:
        kind = torch.int64
    return Given(name, shape, kind, (False,) * len(shape))


def _running(half: Half, begin: str) -> Any:
    # A trace leaves what it has no values for in attributes that code sets.
    module = copied(half.side.wide if isinstance(half.side, UserSide) else half.side.module)

    def run(tensors: Mapping[str, Tensor]) -> Tensor:
        own = {name.removeprefix(begin): one for name, one in tensors.items() if name.startswith(begin)}
        inputs = tuple(one for name, one in tensors.items() if name.startswith(INPUT))
        with Apart():
            output: Tensor = functional_call(module, own, inputs)
        return output

    return run


def _read(node: fx.Node, values: Mapping[fx.Node, Any], sources: Sources, opaque: dict[str, Opaque]) -> Any:
    value = node.meta.get("val")
    if not isinstance(value, (Tensor, tuple, list)):
        return value
    name = str(node.target).removeprefix("aten.")
    # What is written in place is read as if it were not; whether that was right, the proof tells.
    name = re.sub(r"(?<=[a-z\d])_(?=\.)", "", name)
    try:
        return _result(node, name, values, sources.sizes, sources)
    except CannotProve:
        return _opaque(node, name, values, sources, opaque)


def _opaque(
    node: fx.Node, name: str, values: Mapping[fx.Node, Any], sources: Sources, opaque: dict[str, Opaque]
) -> Value:
    """Return what an operator makes as a source of its own, or several. Raises CannotProve."""
    tensors: list[Value] = []

    def known(argument: fx.Node) -> Any:
        one = values[argument]
        if isinstance(one, tuple):
            raise CannotProve(f"{name} takes several tensors at once")
        if isinstance(one, Value):
            tensors.append(one)
            return f"tensor {len(tensors)}"
        return one

    options = f"{name} {fx.node.map_arg((node.args, node.kwargs), known)!r}"
    made = node.meta["val"]
    if not isinstance(made, (tuple, list)):
        return _made(options, tensors, made, node, sources, opaque)
    parts = enumerate(made)
    return tuple(  # type: ignore[return-value]
        _made(f"{options} {number}", tensors, one, node, sources, opaque, number) if isinstance(one, Tensor) else None
        for number, one in parts
    )


def _made(
    operator: str,
    tensors: Sequence[Value],
    made: Tensor,
    node: fx.Node,
    sources: Sources,
    opaque: dict[str, Opaque],
    number: int | None = None,
) -> Value:
    """Return a source that is known by its operator and what that takes; the same one for the same."""
    for known in opaque.values():
        if known.operator == operator and _are_equal(known.arguments, tensors):
            return known.value
    name = f"{operator.partition('.')[0].partition(' ')[0]}#{len(opaque)}"
    value = source(sources.sizes, name, [axis_of(sympy.Integer(int(size))) for size in made.shape])
    opaque[name] = Opaque(name, operator, tuple(tensors), node, value, number)
    return value


def _are_equal(ones: Sequence[Value], others: Sequence[Value]) -> bool:
    try:
        return len(ones) == len(others) and all(
            one.rank == other.rank and difference(*aligned(one, other)) is None
            for one, other in zip(ones, others, strict=True)
        )
    except CannotProve:
        return False
