"""Whether two programs are equal, decided without torch: both are expanded as polynomials.

Where a value is no polynomial, equal names of it are a proof that programs are equal, and floats that are far apart at
some point that they are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from benchmarks.own_programs.functions import FIRST, Names
from benchmarks.own_programs.operators import apply, is_polynomial
from benchmarks.own_programs.polynomials import (
    LIMIT,
    Array,
    TooLargeError,
    constant,
    variables,
)
from benchmarks.own_programs.terms import Term, compute, evaluate, in_order, leaves, rebuilt

POINTS = 50
FAR, NEAR = 1e-7, 1e-11
"""Relative errors of float64 from which on values differ, and up to which they may be the same."""


class Truth(StrEnum):
    """What is known of a pair."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Pair:
    """Two programs, and the candidate's parameters as terms in parameters of the reference, by name."""

    reference: Term
    candidate: Term
    sources: Mapping[str, Term]


def decide(pair: Pair) -> tuple[Truth, bool]:
    """Return what is known of a pair, and whether both sides are polynomials.

    Raises:
        TooLargeError: a side has too many monomials.
    """
    numbers, names = numbered(pair.reference), Names()
    one, two = expanded(pair.reference, numbers, names), expanded(moved(pair), numbers, names)
    polynomial = all(number < FIRST for side in (one, two) for entry in side.flat for n in entry.terms for number in n)
    if one.shape != two.shape:
        return Truth.DIFFERENT, polynomial
    if all(left == right for left, right in zip(one.flat, two.flat, strict=True)):
        return Truth.EQUAL, polynomial
    return (Truth.DIFFERENT if polynomial else compared(pair)), polynomial


def moved(pair: Pair) -> Term:
    """Return the candidate with sources in place of its parameters."""
    changes = {id(one): pair.sources[one.name] for one in in_order(pair.candidate) if one.operator == "parameter"}
    return rebuilt(pair.candidate, changes)


def numbered(reference: Term) -> dict[str, Array]:
    """Return variables for all entries of inputs and parameters, by name."""
    result: dict[str, Array] = {}
    count = 0
    for leaf in [*leaves(reference, "input"), *leaves(reference, "parameter")]:
        result[leaf.name] = variables(leaf.shape, count)
        count += result[leaf.name].size
    return result


def expanded(top: Term, numbers: Mapping[str, Array], names: Names) -> Array:
    """Return the polynomials that a program computes.

    Raises:
        TooLargeError: there are too many monomials.
    """

    def leaf(one: Term) -> Array:
        if one.operator != "constant":
            return numbers[one.name]
        values = np.empty(one.shape, dtype=object)
        values.reshape(-1)[:] = [constant(int(value)) for value in np.ravel(one.options[0])]
        return values

    def step(one: Term, operands: list[Array]) -> Array:
        if is_polynomial(one.operator):
            return apply(one.operator, operands, one.options)
        return names.apply(one.operator, operands[0], one.options)

    result = evaluate(top, leaf, step)
    if sum(len(entry.terms) for entry in result.flat) > LIMIT:
        raise TooLargeError
    return result


def floats(top: Term, values: Mapping[str, Array]) -> Array:
    """Return what a program computes in float64."""

    def leaf(one: Term) -> Array:
        return np.array(one.options[0], dtype=float) if one.operator == "constant" else values[one.name]

    return evaluate(top, leaf, lambda one, operands: compute(one.operator, operands, one.options))


def compared(pair: Pair) -> Truth:
    """Evaluate both sides at random points, of several magnitudes."""
    generator, candidate = np.random.default_rng(0), moved(pair)
    nodes = [*leaves(pair.reference, "input"), *leaves(pair.reference, "parameter")]
    worst = 0.0
    for point in range(POINTS):
        size = (1.0, 0.3, 2.0)[point % 3]
        values = {leaf.name: size * generator.standard_normal(leaf.shape) for leaf in nodes}
        one, two = floats(pair.reference, values), floats(candidate, values)
        worst = max(worst, float(np.abs(one - two).max() / (np.abs(one).max() + 1e-3)))
    if worst > FAR:
        return Truth.DIFFERENT
    return Truth.EQUAL if worst < NEAR else Truth.UNDECIDED
