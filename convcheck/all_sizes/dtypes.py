"""Tells whether code is another program in the asked dtype than in float64, in which it is traced."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.all_sizes.both import Both
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.trace import Given, SideRaises, SymbolicTrace, trace_both
from convcheck.tracing.asked_dtypes import CASTS


def traced(both: Both, given: Sequence[Given]) -> SymbolicTrace:
    """Trace both sides; where code asks for a dtype, in that of the claim as well.

    Raises:
        SideRaises: a side cannot be run, or not be traced, at these sizes.
        CannotProve: the traces are not of one program.
    """
    trace = trace_both(both.reference, both.candidate, given, both.modules)
    if trace.asks_dtype and both.asked != torch.float64:
        asked = both.as_asked()
        floats = [replace(one, dtype=both.asked) if one.dtype.is_floating_point else one for one in given]
        try:
            other = trace_both(asked.reference, asked.candidate, floats, both.modules)
        except SideRaises:
            other = None
        if other is None or _program(other) != _program(trace):
            raise CannotProve(f"code that asks for a dtype is another program in {both.asked}".replace("torch.", ""))
    return trace


def _program(trace: SymbolicTrace) -> list[Any]:
    """Return what a graph computes, whatever the dtype of floats, and where its path leads."""
    return [*_lines(trace.graph.graph), str(trace.path.guards)]


def _lines(graph: fx.Graph) -> Iterator[Any]:
    """Yield operators with their arguments, without casts from one kind of floats to another."""
    numbers: dict[fx.Node, int] = {}
    counted = itertools.count()

    def said(value: Any) -> Any:
        if isinstance(value, fx.Node):
            return numbers[value]
        if isinstance(value, torch.dtype) and (value.is_floating_point or value.is_complex):
            return "complex" if value.is_complex else "float"
        return str(value)

    for node in graph.nodes:
        value = node.meta.get("val")
        if node.target in CASTS and _is_cast(node.args[0].meta.get("val"), value):
            numbers[node] = numbers[node.args[0]]
            continue
        arguments = fx.node.map_aggregate((node.args, node.kwargs), said)
        numbers[node] = next(counted)
        yield node.op, str(node.target), str(arguments)


def _is_cast(old: Any, new: Any) -> bool:
    """Tell whether both are tensors of floats, or of complex numbers."""
    if not isinstance(old, Tensor) or not isinstance(new, Tensor):
        return False
    return (old.is_floating_point() and new.is_floating_point()) or (old.is_complex() and new.is_complex())
