"""Computes a graph in a field, operator by operator: polynomials as torch does, all others by the rules."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx

from convcheck.proof.parts.fields import UNKNOWN, Field, Numbers, Scalar, Unproven, Whole
from convcheck.proof.parts.rules import COPYING, PLAIN, VIEWS, rules
from convcheck.tracing.constants import constants_of
from convcheck.tracing.operators import name_of, operators
from convcheck.tracing.reading import Call, Known, NotPolynomial, Operator, bind
from convcheck.tracing.trace import Trace


class Evaluation(fx.Interpreter):
    """Computes a graph with `Numbers`, `Whole` numbers and tensors that no variable is in."""

    def __init__(self, trace: Trace, field: Field, variables: frozenset[str]) -> None:
        super().__init__(trace.graph)
        self.field = field
        # What is raised here is read by people.
        self.extra_traceback = False
        self._constants = constants_of(trace, variables)

    def run_node(self, n: fx.Node) -> Any:
        if n in self._constants:
            if n.op == "placeholder":
                super().run_node(n)
            return self._constants[n]
        if n.op != "call_function":
            return super().run_node(n)
        name = name_of(n)
        if name == "getitem":
            return operator.getitem(self.env[n.args[0]], n.args[1])  # type: ignore[index]  # a node
        given = bind(n, self.env.__getitem__)
        if any(one is UNKNOWN for one in _flat(given.values())):
            raise Unproven(f"{name} reads what is not known")
        rule, varies = rules().get(name), any(isinstance(one, Numbers) for one in _flat(given.values()))
        result = rule(self.field, given) if rule is not None and (varies or name == "_to_copy") else NotImplemented
        if result is not NotImplemented:
            return result
        if not varies:
            return self._whole(n, given)
        if name not in PLAIN:
            raise Unproven(f"{name} is not known here")
        return self._polynomial(n, name, given)

    def _whole(self, n: fx.Node, given: Mapping[str, Any]) -> Whole:
        """Compute with masks and whole numbers as they are."""
        target: Any = n.target
        positional, named = _call(n, given)
        results = [
            target(*_at(positional, number), **{key: _at(value, number) for key, value in named.items()})
            for number in range(self.field.count)
        ]
        if not isinstance(results[0], Tensor) or results[0].is_floating_point():
            raise Unproven(f"{name_of(n)} makes numbers of whole numbers")
        return Whole(tuple(results))

    def _polynomial(self, n: fx.Node, name: str, given: Mapping[str, Any]) -> Any:
        rule = VIEWS[name] if name in VIEWS else operators()[name]
        if any(isinstance(one, Numbers) for one in _flat(given[key] for key in rule.plain if key in given)):
            raise Unproven(f"{name} takes numbers that vary for places")
        values = {key: self._argument(value, key, rule) for key, value in given.items()}
        positional, named = _call(n, values)
        count, keys = len(positional), list(named)

        def of(target: Any) -> Any:
            return lambda *every: target(*every[:count], **dict(zip(keys, every[count:], strict=True)))

        absolute = of(rule.absolute or n.target)
        if rule.varying is not None and any(isinstance(given.get(key), (Whole, list, tuple)) for key in rule.plain):
            names = [one.name for one in _schema(n) if one.name in values and not one.kwarg_only] + keys
            absolute = _bounded(absolute, rule.varying, names)
        adds = name in COPYING and given.get("alpha", 1) == 1
        return self.field.run(
            of(n.target), [*positional, *named.values()], self._degree(n, rule, values), absolute, adds=adds
        )

    def _argument(self, value: Any, key: str, rule: Operator) -> Any:
        if key in rule.plain:
            return value
        if isinstance(value, (list, tuple)):
            return [self._argument(one, key, rule) for one in value]
        if isinstance(value, Whole):
            return self.field.whole(value)
        if isinstance(value, Tensor):
            return self.field.lift(value) if value.is_floating_point() else value
        if key in rule.scalars and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self.field.scalar(float(value))
        return value

    @staticmethod
    def _degree(n: fx.Node, rule: Operator, values: Mapping[str, Any]) -> int:
        def known(value: Any) -> Any:
            if isinstance(value, Numbers):
                return Known(degree=value.degree)
            if isinstance(value, (list, tuple)):
                return type(value)(known(one) for one in value)
            if isinstance(value, Scalar):
                return 1
            return Known() if isinstance(value, (Tensor, Whole)) else value

        try:
            degree = rule.read(
                Call(n, {key: known(one) for key, one in values.items()}, bind(n, lambda one: one))
            ).degree
        except NotPolynomial as error:
            raise Unproven(f"{name_of(n)} {error}") from None
        assert degree is not None
        return degree


def _bounded(function: Any, varying: Any, names: list[str]) -> Any:
    """Return what bounds a result whatever masks and whole numbers say."""

    def bounded(*arguments: Any) -> Any:
        return varying(function(*arguments), dict(zip(names, arguments, strict=True)))

    return bounded


def _schema(n: fx.Node) -> Any:
    return n.target._schema.arguments  # type: ignore[union-attr]  # an operator of torch's has one


def _call(n: fx.Node, given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of an operator by position, and those by name."""
    positional = [given[one.name] for one in _schema(n) if one.name in given and not one.kwarg_only]
    return positional, {one.name: given[one.name] for one in _schema(n) if one.name in given and one.kwarg_only}


def _at(value: Any, number: int) -> Any:
    if isinstance(value, Whole):
        return value.samples[number]
    return type(value)(_at(one, number) for one in value) if isinstance(value, (list, tuple)) else value


def _flat(values: Any) -> Any:
    for one in values:
        if isinstance(one, (list, tuple)):
            yield from _flat(one)
        else:
            yield one
