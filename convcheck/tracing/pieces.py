"""Which pieces of a graph's piecewise operators numbers meet: on which sides of a threshold, and what masks are.

Two modules that agree on all numbers that a threshold lies above agree on one piece alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.tracing.constants import constants_of
from convcheck.tracing.operators import name_of
from convcheck.tracing.reading import bind
from convcheck.tracing.trace import Trace

Given = Mapping[str, Any]
Regions = Callable[[Given], Iterator[Any]]


@dataclass(frozen=True)
class Piece:
    """A condition on the entries of what goes into an operator: the node, and which of its conditions it is."""

    node: fx.Node
    number: int
    holds: bool
    """Whether this is where the condition holds, or where it does not."""

    def __str__(self) -> str:
        place = Trace.place_of(self.node)
        return f"{name_of(self.node)}{f' at {place}' if place else ''}"


def _beyond(low: str | float, high: str | float) -> Regions:
    """Return what is below one threshold and above another: arguments of the operator by name, or numbers."""

    def regions(given: Given) -> Iterator[Any]:
        lower, upper = (given[one] if isinstance(one, str) else one for one in (low, high))
        if lower is not None:
            yield given["self"] < lower
        if upper is not None:
            yield given["self"] > upper

    return regions


def _positive(given: Given) -> Iterator[Any]:
    yield given["self"] > 0


def _larger(given: Given) -> Iterator[Any]:
    yield given["self"] > given["other"]


def _shrunk(given: Given) -> Iterator[Any]:
    yield given["self"] > given["lambd"]
    yield given["self"] < -given["lambd"]


def _softplus(given: Given) -> Iterator[Any]:
    yield given["self"] * given["beta"] > given["threshold"]


def _threshold(given: Given) -> Iterator[Any]:
    yield given["self"] > given["threshold"]


REGIONS: dict[str, Regions] = {
    **dict.fromkeys(["relu", "leaky_relu", "prelu", "abs", "sign", "elu", "selu", "celu", "rrelu"], _positive),
    **dict.fromkeys(["clamp", "clip"], _beyond("min", "max")),
    "clamp_min": lambda given: iter([given["self"] < given["min"]]),
    "clamp_max": lambda given: iter([given["self"] > given["max"]]),
    "relu6": _beyond(0.0, 6.0),
    "hardtanh": _beyond("min_val", "max_val"),
    **dict.fromkeys(["hardswish", "hardsigmoid"], _beyond(-3.0, 3.0)),
    **dict.fromkeys(["hardshrink", "softshrink"], _shrunk),
    **dict.fromkeys(["maximum", "minimum", "fmax", "fmin"], _larger),
    "softplus": _softplus,
    "threshold": _threshold,
}

_FINITE = ("isnan", "isinf", "isfinite", "isposinf", "isneginf")
"""What is drawn is finite."""


def pieces(trace: Trace, arguments: tuple[Tensor, ...]) -> dict[Piece, bool]:
    """Return all pieces of a graph, and whether some entry meets them at these arguments of it."""
    interpreter = _Meeting(trace)
    with torch.no_grad():
        interpreter.run(*arguments)
    return interpreter.pieces


class _Meeting(fx.Interpreter):
    """Runs a graph, and notes for every piece whether it is met."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace.graph)
        self.pieces: dict[Piece, bool] = {}
        # What no variable is in has one side, and what is drawn is finite.
        self._settled = set(constants_of(trace, ()))

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op == "call_function" and n not in self._settled:
            masks = [one for one in n.all_input_nodes if _is_mask(one)]
            if name_of(n) in _FINITE or (masks and _is_mask(n) and all(one in self._settled for one in masks)):
                self._settled.add(n)
                return result
            for number, mask in enumerate(self._conditions(n, result)):
                for holds in (True, False):
                    self.pieces[Piece(n, number, holds)] = bool((mask == holds).any())
        return result

    def _conditions(self, n: fx.Node, result: Any) -> Iterator[Tensor]:
        regions = REGIONS.get(name_of(n))
        if regions is not None:
            yield from regions(bind(n, lambda one: self.env[one]))
        elif _is_mask(n):
            yield result


def _is_mask(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.dtype == torch.bool
