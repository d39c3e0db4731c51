"""The oracle against torch: what programs compute as written, and what the oracle says that they do."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from benchmarks.own_programs.functions import Names
from benchmarks.own_programs.oracle import expanded, floats, moved, numbered
from benchmarks.own_programs.pairs import WrittenPair
from benchmarks.own_programs.polynomials import Array
from benchmarks.own_programs.terms import Term, in_order, leaves
from benchmarks.own_programs.writing import module

LARGEST = 3
CLOSE = 1e-9


def departures(written: WrittenPair, folder: Path) -> list[str]:
    """Return the sides of a pair that compute something else in torch: to the bit, where they are polynomials.

    Polynomials are evaluated at whole numbers, others in float64.
    """
    pair, generator = written.pair, np.random.default_rng(written.number)
    numbers, exact = numbered(pair.reference), written.function is None
    nodes = [*leaves(pair.reference, "input"), *leaves(pair.reference, "parameter")]
    values: dict[str, Array] = {
        leaf.name: generator.integers(-LARGEST, LARGEST + 1, leaf.shape).astype(float)
        if exact
        else generator.standard_normal(leaf.shape)
        for leaf in nodes
    }
    sources = {name: floats(source, values) for name, source in pair.sources.items()}
    sides = (
        ("reference", written.reference, pair.reference, values),
        ("candidate", written.candidate, moved(pair), values | sources),
    )
    wrong = []
    for side, source, top, tensors in sides:
        result = _run(source, folder / f"{side}_{written.number}.py", written, tensors)
        if exact:
            polynomials = expanded(top, numbers, Names())
            wanted = [Fraction(entry.value(_point(numbers, values))) for entry in polynomials.flat]
            same = result.shape == polynomials.shape and [Fraction(value) for value in result.flat] == wanted
        else:
            expected = floats(top, values)
            same = result.shape == expected.shape and np.allclose(result, expected, CLOSE, CLOSE)
        wrong += [] if same else [side]
    return wrong


def _point(numbers: Mapping[str, Array], values: Mapping[str, Array]) -> dict[int, Fraction]:
    return {
        next(iter(variable.terms))[0]: Fraction(value)
        for name, variables in numbers.items()
        for variable, value in zip(variables.flat, values[name].flat, strict=True)
    }


def _run(source: str, file: Path, written: WrittenPair, tensors: Mapping[str, Array]) -> Array:
    net = module(source, file).double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(tensors[name].copy()))
        inputs = [torch.from_numpy(tensors[f"x{number}"]) for number in range(len(written.inputs))]
        return np.asarray(net(*inputs).numpy())


def operators(top: Term) -> list[str]:
    """Return the operators of a program."""
    return [one.operator for one in in_order(top) if not one.is_leaf]
