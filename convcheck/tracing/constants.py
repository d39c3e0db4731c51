"""The tensors of a graph that no variable is in, computed once."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg

from convcheck.tracing.operators import name_of
from convcheck.tracing.trace import Trace

_BY_SHAPE = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")
"""Operators that take of a tensor its shape and dtype only."""


def constants_of(trace: Trace, variables: Collection[str]) -> dict[fx.Node, Any]:
    """Return the values of all nodes that depend on no input, no parameter and none of the buffers `variables`."""
    values: dict[fx.Node, Any] = {}
    placeholders = iter(trace.placeholders)
    for node in trace.graph.graph.nodes:
        if node.op == "placeholder":
            one = next(placeholders)
            if one.value is not None and not any(name in variables for name in one.names):
                values[node] = one.value
        elif node.op == "call_function" and (name_of(node) in _BY_SHAPE or _leaves(node, values)):
            values[node] = _computed(node, values)
    return values


def _leaves(node: fx.Node, values: dict[fx.Node, Any]) -> bool:
    return all(one in values for one in node.all_input_nodes)


def _computed(node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    def value_of(one: fx.Node) -> Any:
        if one in values:
            return values[one]
        like = one.meta["val"]
        return torch.zeros(like.shape, dtype=like.dtype)

    target: Any = operator.getitem if name_of(node) == "getitem" else node.target
    with torch.no_grad():
        return target(*map_arg(node.args, value_of), **map_arg(node.kwargs, value_of))


def tensors_of(value: object) -> Iterator[Tensor]:
    """Yield the tensors in what an operator returns."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_of(item)
