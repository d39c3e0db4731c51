"""Bounds how far a module's output in a dtype may be from float64's, for any graph of operators with error rules.

The graph is interpreted in float64 with a value and an error for every entry, operator by operator; see
`convcheck.rounding.running_error` for the analysis, and `errors/` for the operators.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.export import default_decompositions
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import TreeSpec, tree_any, tree_flatten, tree_map, tree_map_only, tree_unflatten

from convcheck.rounding.precision import Arithmetic
from convcheck.rounding.running_error import Computed, exactly
from convcheck.tracing.errors import rules
from convcheck.tracing.errors.call import Call, Unknown, constant, of_constants, values
from convcheck.tracing.tidy import copy_where_needed

_DOUBLE = torch.finfo(torch.float64).eps / 2


class NoErrorRule(Exception):  # noqa: N818  # it is an answer, not a fault
    """An operator whose rounding error no rule bounds, at a node of the graph."""

    def __init__(self, name: str, node: fx.Node) -> None:
        super().__init__(f"{name}: no rule bounds its rounding error")
        self.name, self.node = name, node


def bound(graph: fx.GraphModule, arguments: Sequence[Tensor | Computed], unit: Arithmetic) -> Computed:
    """Return the output in float64, and how far a run in the dtype of `unit` may be from it, entry by entry.

    `arguments` are the graph's, floats as float64 tensors that the dtype holds, or with an error of their own.

    Raises:
        NoErrorRule: an operator has no rule, or not for its arguments.
    """
    interpreter = _Interpreter(graph, unit)
    with torch.no_grad():
        result = interpreter.run(*arguments)
    while isinstance(result, (tuple, list)):
        [result] = result
    # float64 itself is as far from the truth, in its own units.
    return Computed(result.value, result.error * (1 + _DOUBLE / (unit.accumulator or _DOUBLE)))


class _Interpreter(fx.Interpreter):
    """Runs a graph on `Computed` in the places of tensors of floats; others are as they are."""

    def __init__(self, graph: fx.GraphModule, unit: Arithmetic) -> None:
        super().__init__(graph)
        self.unit, self.rules = unit, rules()
        floats = [d for n in graph.graph.nodes if n.op == "placeholder" and (d := _dtype(n)) and d.is_floating_point]
        self.traced = floats[0] if floats else torch.float32
        self.varying: set[fx.Node] = set()

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "placeholder" or self.varying.intersection(n.all_input_nodes):
            self.varying.add(n)
            return self._run(n)
        return tree_map_only(Computed, lambda x: of_constants(x, self.unit), self._run(n))

    def _run(self, n: fx.Node) -> Any:
        if n.op in ("placeholder", "get_attr"):
            tensor = super().run_node(n)
            if isinstance(tensor, Computed):
                return tensor
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                return exactly(tensor) if n.op == "placeholder" else constant(tensor, self.unit)
            return tensor
        if n.op == "output":
            return super().run_node(n)
        if not callable(n.target) or getattr(getattr(n.target, "_schema", None), "is_mutable", False):
            # What is written to another operator's result is not followed.
            raise NoErrorRule(_name(n), n)
        if not n.users:
            # A check that a tracer left behind.
            return None
        arguments, keywords = self.fetch_args_kwargs_from_env(n)
        if n.target is operator.getitem:
            chosen, place = arguments
            # Statistics that only gradients need are left out.
            return chosen[place] if place < len(chosen) else Unknown()
        unit = self._unit_of(n)
        if not tree_any(lambda x: isinstance(x, (Computed, Unknown)), (arguments, keywords)):
            return self._made(n, n.target, arguments, keywords, unit)
        return self._followed(n, n.target, arguments, keywords, unit)

    def _followed(self, n: fx.Node, target: Callable[..., Any], arguments: Any, keywords: Any, unit: Arithmetic) -> Any:
        name = _name(n)
        if tree_any(lambda x: isinstance(x, Unknown), (arguments, keywords)):
            raise NoErrorRule(name, n)
        rule = self.rules.get(name)
        if rule is None:
            return self._taken_apart(n, target, arguments, keywords, unit)
        if unit.flushed:
            arguments, keywords = tree_map_only(Computed, lambda x: _flushed(x, unit), (arguments, keywords))
        try:
            result = rule(Call(target, unit), *arguments, **keywords)
        except (IndexError, NotImplementedError, TypeError) as error:
            raise NoErrorRule(name, n) from error
        return tree_map_only(Computed, _never_nan, result)

    def _taken_apart(
        self, n: fx.Node, target: Callable[..., Any], arguments: Any, keywords: Any, unit: Arithmetic
    ) -> Any:
        """Interpret an operator as the core operators that torch makes of it."""
        leaves, tree = tree_flatten((arguments, keywords))
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, (Tensor, Computed))]
        tensors = [leaves[place] for place in places]
        others = tuple((place, type(leaf), leaf) for place, leaf in enumerate(leaves) if place not in places)
        layouts = tuple((place, _layout(tensor)) for place, tensor in zip(places, values(tensors), strict=True))
        try:
            parts = _parts(target, tree, others, layouts)
        except RuntimeError as error:
            # Of zeros there may be none, as there is no inverse of them.
            raise NoErrorRule(_name(n), n) from error
        if any(part.target == n.target for part in parts.graph.nodes):
            raise NoErrorRule(_name(n), n)
        try:
            return _Interpreter(parts, unit).run(*tensors)
        except NoErrorRule as inner:
            raise NoErrorRule(inner.name, n) from inner

    def _made(self, n: fx.Node, target: Callable[..., Any], arguments: Any, keywords: Any, unit: Arithmetic) -> Any:
        """Return what an operator makes of whole numbers, booleans and numbers of the code."""
        arguments, keywords = tree_map(_in_float64, (arguments, keywords))
        result = target(*arguments, **keywords)
        if _name(n).startswith("empty"):
            # It will be overwritten.
            result = torch.zeros_like(result)
        return tree_map_only(Tensor, lambda t: constant(t, unit) if t.is_floating_point() else t, result)

    def _unit_of(self, n: fx.Node) -> Arithmetic:
        """Return the asked arithmetic, with a narrower dtype where the code asks for one."""
        dtype = _dtype(n)
        if dtype is None or not dtype.is_floating_point or dtype == self.traced:
            return self.unit
        info = torch.finfo(dtype)
        if info.eps / 2 <= self.unit.output:
            return self.unit
        wide = max(self.unit.accumulator, torch.finfo(torch.float32).eps / 2)
        smallest = info.smallest_normal * info.eps
        return replace(
            self.unit,
            accumulator=wide,
            output=info.eps / 2,
            smallest=smallest,
            largest=info.max,
            normal=info.smallest_normal,
        )


class _Layout(NamedTuple):
    """What a tensor is beside its numbers, on which alone it depends what torch makes of an operator."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def zeros(self) -> Tensor:
        """Return a tensor of zeros that is laid out like that."""
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        storage = torch.zeros(max(last, 0) + 1, dtype=self.dtype, device=self.device)
        return storage.as_strided(self.shape, self.strides)


def _layout(tensor: Tensor) -> _Layout:
    return _Layout(tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device)


@lru_cache(maxsize=512)
def _parts(
    target: Callable[..., Any],
    tree: TreeSpec,
    others: tuple[tuple[int, type, Any], ...],
    layouts: tuple[tuple[int, _Layout], ...],
) -> fx.GraphModule:
    """Return the core operators that torch makes of one: a graph of its tensors, by their places in `tree`.

    `others` are the arguments that are no tensors. A graph takes torch far longer than to run it.
    """

    def run(*tensors: Tensor) -> Any:
        leaves = {place: leaf for place, _, leaf in others}
        leaves |= {place: tensor for (place, _), tensor in zip(layouts, tensors, strict=True)}
        arguments, keywords = tree_unflatten([leaves[place] for place in range(len(leaves))], tree)
        return target(*arguments, **keywords)

    parts = make_fx(functionalize(run), dict(default_decompositions()))(*(layout.zeros() for _, layout in layouts))
    # Values and errors need not be laid out alike.
    copy_where_needed(parts)
    return parts


def _name(n: fx.Node) -> str:
    packet = getattr(n.target, "overloadpacket", n.target)
    return str(getattr(packet, "__name__", packet)).split(".")[-1]


def _dtype(n: fx.Node) -> torch.dtype | None:
    dtype: torch.dtype | None = getattr(n.meta.get("val"), "dtype", None)
    return dtype


def _in_float64(x: Any) -> Any:
    return torch.float64 if isinstance(x, torch.dtype) and x.is_floating_point else x


def _flushed(x: Computed, unit: Arithmetic) -> Computed:
    if x.value.dtype == torch.bool:
        return x
    return Computed(x.value, x.error + torch.where(x.size() < unit.flushed, x.size(), 0.0))


def _never_nan(x: Computed) -> Computed:
    return Computed(x.value, x.error.nan_to_num(nan=torch.inf, posinf=torch.inf))
