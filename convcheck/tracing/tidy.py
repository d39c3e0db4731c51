"""Writes out in a graph what would depend on where it is run, or has no derivative."""

from __future__ import annotations

import torch
from torch import Tensor, fx


def tidy(graph: fx.GraphModule) -> None:
    """Pin the dtypes of new tensors, write copies and views out, and fill tensors that have no values."""
    _pin_dtypes(graph)
    _spell_copies_out(graph)
    _fill_empty(graph)
    copy_where_needed(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _pin_dtypes(graph: fx.GraphModule) -> None:
    """Write the dtype into operators that would make new tensors in whatever is the default then."""
    for node in graph.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is None or "dtype" in node.kwargs or node.all_input_nodes:
            continue
        value = node.meta.get("val")
        if isinstance(value, Tensor) and any(argument.name == "dtype" for argument in schema.arguments):
            node.kwargs = {**node.kwargs, "dtype": value.dtype}


def _spell_copies_out(graph: fx.GraphModule) -> None:
    """Replace `copy(old, new)`, which has no derivative, by `new` in the shape and dtype of `old`."""
    aten = torch.ops.aten
    for node in graph.graph.find_nodes(op="call_function", target=aten.copy.default):
        old, new = (one.meta["val"] for one in node.args[:2])
        with graph.graph.inserting_before(node):
            result = node.args[1]
            if old.dtype != new.dtype:
                result = graph.graph.call_function(aten._to_copy.default, (result,), {"dtype": old.dtype})
                result.meta.update(node.meta, val=new.to(old.dtype))
            if old.shape != new.shape:
                result = graph.graph.call_function(aten.expand.default, (result, list(old.shape)))
                result.meta.update(node.meta)
        node.replace_all_uses_with(result)
        graph.graph.erase_node(node)


def copy_where_needed(graph: fx.GraphModule) -> None:
    """Replace views by reshapes: operators lay their results out otherwise where gradients are taken."""
    aten = torch.ops.aten
    for view in (aten.view.default, aten._unsafe_view.default):
        for node in graph.graph.find_nodes(op="call_function", target=view):
            node.target = aten.reshape.default
    graph.recompile()


def _fill_empty(graph: fx.GraphModule) -> None:
    """Replace tensors that are made without values by zeros. A module that reads one does not give the same twice."""
    aten = torch.ops.aten
    kinds = (
        aten.empty,
        aten.empty_like,
        aten.new_empty,
        aten.empty_strided,
        aten.new_empty_strided,
        aten.empty_permuted,
    )
    for node in graph.graph.nodes:
        if getattr(node.target, "overloadpacket", None) in kinds:
            value = node.meta["val"]
            node.target, node.args = aten.zeros.default, (list(value.shape),)
            node.kwargs = {"dtype": value.dtype}
