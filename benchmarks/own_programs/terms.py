"""Programs as values: inputs, parameters, and operators on them. What is used twice is one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.own_programs.functions import FUNCTIONS
from benchmarks.own_programs.operators import apply, is_polynomial
from benchmarks.own_programs.polynomials import Array

Shape = tuple[int, ...]
LEAVES = ("input", "parameter", "constant")
LARGEST = 200
"""Entries that an operand may have."""


class NoTermError(Exception):
    """An operator does not take such operands, or the result is too large."""


def needs(condition: bool) -> None:
    """Raise NoTermError unless a condition holds."""
    if not condition:
        raise NoTermError("it does not fit here")


@dataclass(frozen=True, eq=False)
class Term:
    """An operator on terms. Leaves have a name as their option, and constants whole numbers, as nested tuples."""

    operator: str
    arguments: tuple[Term, ...]
    options: tuple[Any, ...]
    shape: Shape

    @property
    def name(self) -> str:
        return str(self.options[0])

    @property
    def is_leaf(self) -> bool:
        return self.operator in LEAVES


def compute(operator: str, operands: Sequence[Array], options: tuple[Any, ...]) -> Array:
    """Compute any operator on floats."""
    if is_polynomial(operator):
        return apply(operator, operands, options)
    return FUNCTIONS[operator](*operands, *options)


def term(operator: str, arguments: Sequence[Term], *options: Any) -> Term:
    """Return an operator's result. Its shape is found by computing it.

    Raises:
        NoTermError: there is none, or it is too large.
    """
    try:
        shape = compute(operator, [np.zeros(argument.shape) for argument in arguments], options).shape
    except (ValueError, IndexError) as error:
        raise NoTermError(f"{operator}: {error}") from None
    size = int(np.prod(shape))
    if not 1 <= size <= LARGEST or not 1 <= len(shape) <= 6:
        raise NoTermError(f"{operator}: a result of {shape}")
    return Term(operator, tuple(arguments), options, shape)


def input_(number: int, shape: Sequence[int]) -> Term:
    """Return an input."""
    return Term("input", (), (f"x{number}",), tuple(shape))


def parameter(name: str, shape: Sequence[int]) -> Term:
    """Return a parameter, by a name with dots."""
    return Term("parameter", (), (name,), tuple(shape))


def constant(values: Array) -> Term:
    """Return whole numbers that are written in the program."""
    return Term("constant", (), (_nested(values.tolist()),), values.shape)


def _nested(values: Any) -> Any:
    return tuple(map(_nested, values)) if isinstance(values, list) else int(values)


def in_order(top: Term) -> list[Term]:
    """Return all terms once, arguments before what they are arguments of."""
    done: dict[int, Term] = {}

    def visit(one: Term) -> None:
        if id(one) not in done:
            for argument in one.arguments:
                visit(argument)
            done[id(one)] = one

    visit(top)
    return list(done.values())


def leaves(top: Term, operator: str) -> list[Term]:
    """Return inputs or parameters, by name, once."""
    by_name = {one.name: one for one in in_order(top) if one.operator == operator}
    return [by_name[name] for name in sorted(by_name)]


def replaced(top: Term, old: Term, new: Term) -> Term:
    """Put a term in place of another one wherever it is used.

    Raises:
        NoTermError: what uses it does not take it.
    """
    return rebuilt(top, {id(old): new})


def rebuilt(top: Term, changes: Mapping[int, Term]) -> Term:
    """Build a program again with other terms in place of some, by their `id`; raises NoTermError as `term` does."""
    done: dict[int, Term] = dict(changes)
    for one in in_order(top):
        if id(one) in done:
            continue
        arguments = [done[id(argument)] for argument in one.arguments]
        same = all(new is old for new, old in zip(arguments, one.arguments, strict=True))
        done[id(one)] = one if same else term(one.operator, arguments, *one.options)
    return done[id(top)]


def evaluate(top: Term, leaf: Callable[[Term], Array], step: Callable[[Term, list[Array]], Array]) -> Array:
    """Compute a program: leaves by one function, operators by another."""
    values: dict[int, Array] = {}
    for one in in_order(top):
        values[id(one)] = leaf(one) if one.is_leaf else step(one, [values[id(argument)] for argument in one.arguments])
    return values[id(top)]
