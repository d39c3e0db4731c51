"""The largest numbers that a graph can meet, forwards and backwards, whatever the signs of anything.

The graph is computed with absolute values: differences become sums, constants lose their signs, and no sum cancels.
Every value is then a bound of the same value, and of all partial sums of it, at numbers of these magnitudes. The graph
that is left has no negative derivative, so with a cotangent of ones its gradients bound all gradients, likewise.
Indices and masks that are inputs may be any: as many gradients meet in one place as could.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from convcheck.tracing.constants import constants_of, tensors_of
from convcheck.tracing.facts import Facts
from convcheck.tracing.operators import name_of, operators
from convcheck.tracing.reading import Operator, bind
from convcheck.tracing.trace import Trace


@dataclass(frozen=True)
class Magnitudes:
    """The largest absolute value of any result on the way to the output, and of any gradient on the way back."""

    forward: float
    backward: float

    @property
    def largest(self) -> float:
        return max(self.forward, self.backward)


def magnitudes(trace: Trace, facts: Facts, inputs: tuple[Tensor, ...], tensors: Mapping[str, Tensor]) -> Magnitudes:
    """Return the largest numbers at inputs and tensors (parameters and statistics) of at most these magnitudes.

    Raises:
        ValueError: the trace is no polynomial with short constants, so that there is nothing to bound.
    """
    if not facts.exact:
        raise ValueError(f"there is no such bound: {facts.obstacle}")
    with torch.enable_grad():
        interpreter = _Absolute(trace, facts)
        output = interpreter.run(*(_leaf(one) for one in trace.arguments(inputs, tensors)))
        forward = max((float(one.detach().max()) for one in interpreter.met if one.numel()), default=0.0)
        varying = [one for one in interpreter.met if one.requires_grad]
        if not output.requires_grad:
            return Magnitudes(forward, 1.0)
        gradients = torch.autograd.grad(output, varying, torch.ones_like(output), materialize_grads=True)
    backward = max((float(one.max()) for one in gradients if one.numel()), default=0.0)
    return Magnitudes(forward, max(1.0, backward))


def _leaf(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    return tensor.detach().to(torch.float64).abs().requires_grad_()


class _Absolute(fx.Interpreter):
    """Computes a graph with absolute values; `met` collects all of them."""

    def __init__(self, trace: Trace, facts: Facts) -> None:
        super().__init__(trace.graph)
        self.met: list[Tensor] = []
        self._constants = constants_of(trace, set(facts.statistics))

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "output":
            return super().run_node(n)
        if n in self._constants:
            if n.op == "placeholder":
                super().run_node(n)
            # A constant has its sign until it meets a variable.
            return self._constants[n]
        result = super().run_node(n) if n.op == "placeholder" or name_of(n) == "getitem" else self._absolute(n)
        self.met += [one for one in tensors_of(result) if one.is_floating_point()]
        return result

    def _absolute(self, n: fx.Node) -> Any:
        name = name_of(n)
        rule = operators().get(name)
        if rule is None or _is_whole(n):
            # Whole numbers and masks say where, and are computed as they are.
            return super().run_node(n)
        bound = bind(n, lambda one: one)
        values = {
            key: self._value(value, plain=key in rule.plain, scalar=key in rule.scalars) for key, value in bound.items()
        }
        given = n.target._schema.arguments  # type: ignore[union-attr]  # an operator of torch's has one
        positional = [values[one.name] for one in given if one.name in values and not one.kwarg_only]
        named = {one.name: values[one.name] for one in given if one.name in values and one.kwarg_only}
        target: Any = n.target if rule.absolute is None else rule.absolute
        result = target(*positional, **named)
        if rule.varying is not None and not all(one in self._constants for one in self._plain(bound, rule)):
            return rule.varying(result, values)
        return result

    @staticmethod
    def _plain(bound: Mapping[str, Any], rule: Operator) -> list[fx.Node]:
        """Return the nodes that say where, or whether."""
        arguments = [bound[name] for name in rule.plain if name in bound]
        return [
            one
            for item in arguments
            for one in (item if isinstance(item, (list, tuple)) else [item])
            if one is not None
        ]

    def _value(self, value: Any, *, plain: bool, scalar: bool) -> Any:
        """Return an argument, absolute unless it says where."""
        if isinstance(value, fx.Node):
            result = self.env[value]
            return result if plain or not isinstance(result, Tensor) or result.dtype == torch.bool else result.abs()
        if isinstance(value, (list, tuple)):
            return type(value)(self._value(item, plain=plain, scalar=scalar) for item in value)
        return abs(value) if scalar and isinstance(value, (int, float)) else value


def _is_whole(n: fx.Node) -> bool:
    value = n.meta.get("val")
    return isinstance(value, Tensor) and not value.is_floating_point() and not value.is_complex()
