"""Laws of what is read off a trace: values, degree, bits and magnitudes, for every operator that can be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, fx

from convcheck.tracing import capture
from convcheck.tracing import facts as facts_room
from convcheck.tracing import magnitudes as magnitudes_room
from convcheck.tracing.constants import constants_of, tensors_of
from convcheck.tracing.facts import Facts, facts_of
from convcheck.tracing.float64_copy import float64_by_default
from convcheck.tracing.magnitudes import magnitudes
from convcheck.tracing.operators import activation, name_of, normalisation, operators, transform
from convcheck.tracing.reading import Call, Known, Operator, binary_digits
from convcheck.tracing.trace import Trace, trace
from tests.tracing.programs import PROGRAMS, Program

MAGNITUDE = 3

REAL = tuple(name for name in PROGRAMS if name != "complex")


@cache
def traced(name: str) -> Trace:
    program = PROGRAMS[name]
    return trace(program.module(), (*(torch.randn(shape) for shape in program.shapes), *program.given))


@cache
def facts(name: str) -> Facts:
    return facts_of(traced(name))


def whole(program: Program, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Draw whole numbers that are not zero, so that no draw hides what multiplies them."""
    drawn = (torch.randint(1, MAGNITUDE + 1, shape, generator=generator).double() for shape in program.shapes)
    signs = (torch.randint(0, 2, shape, generator=generator) * 2 - 1 for shape in program.shapes)
    return tuple(number * sign for number, sign in zip(drawn, signs, strict=True))


def run(name: str, numbers: tuple[Tensor, ...]) -> Tensor:
    one = traced(name)
    output: Tensor = one.graph(*one.arguments((*numbers, *PROGRAMS[name].given), {}))
    return output


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_trace_is_its_program_on_other_numbers(name: str, generator: torch.Generator) -> None:
    program = PROGRAMS[name]
    numbers = whole(program, generator)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    expected = program.function(*(one.clone() for one in numbers), *program.given)
    torch.set_default_dtype(before)
    assert torch.equal(run(name, numbers), expected)


def differences(name: str, numbers: tuple[Tensor, ...], order: int) -> Iterator[list[Fraction]]:
    """Yield, for several outputs f, the divided differences of `f(t * numbers)` in t, up to an order."""
    places = [2**step for step in range(order + 1)]
    values = [run(name, tuple(one * place for one in numbers)).detach().flatten() for place in places]
    for entry in range(values[0].numel()):
        column = [Fraction(float(one[entry])) for one in values]
        results = [column[0]]
        for step in range(1, order + 1):
            column = [
                (after - before) / (places[number + step] - places[number])
                for number, (before, after) in enumerate(pairwise(column))
            ]
            results.append(column[0])
        yield results


def test_complex_numbers_have_a_degree_and_no_bits() -> None:
    assert (facts("complex").degree, facts("complex").bits) == (1, None)


def degree_is_right(name: str, degree: int | None, generator: torch.Generator) -> bool:
    assert degree is not None
    rows = list(differences(name, whole(PROGRAMS[name], generator), degree + 1))
    return any(row[degree] for row in rows) and not any(row[degree + 1] for row in rows)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_degree_is_that_of_the_polynomial(name: str, generator: torch.Generator) -> None:
    assert degree_is_right(name, facts(name).degree, generator)


def digits(name: str, generator: torch.Generator) -> int:
    """Return how many binary digits outputs and gradients have behind the point at whole numbers."""
    numbers = tuple(one.requires_grad_() for one in whole(PROGRAMS[name], generator))
    output = run(name, numbers)
    gradients = torch.autograd.grad(output, numbers, torch.ones_like(output), materialize_grads=True)
    return max(binary_digits(one) or 0 for one in (output, *gradients))


@pytest.mark.parametrize("name", REAL)
def test_outputs_and_gradients_have_the_bits_that_are_read_and_no_more(name: str, generator: torch.Generator) -> None:
    assert digits(name, generator) == facts(name).bits


class Recording(fx.Interpreter):
    """Runs a graph, and collects the results of all operators that gradients go through."""

    def run_node(self, n: fx.Node) -> object:
        if not hasattr(self, "met"):
            self.met: list[Tensor] = []
        result = super().run_node(n)
        self.met += [one for one in tensors_of(result) if one.requires_grad and not one.is_complex()]
        return result


def largest(name: str, numbers: tuple[Tensor, ...], cotangent: Tensor) -> tuple[float, float]:
    """Return the largest result and the largest gradient of a run."""
    one, leaves = traced(name), tuple(number.clone().requires_grad_() for number in numbers)
    recording = Recording(one.graph)
    output = recording.run(*one.arguments((*leaves, *PROGRAMS[name].given), {}))
    gradients = torch.autograd.grad(output, recording.met, cotangent, allow_unused=True, materialize_grads=True)
    return tuple(max(float(x.detach().abs().max()) for x in tensors) for tensors in (recording.met, gradients))  # type: ignore[return-value]


def bound(name: str, numbers: tuple[Tensor, ...]) -> tuple[float, float]:
    result = magnitudes(traced(name), facts(name), (*numbers, *PROGRAMS[name].given), {})
    return result.forward, result.backward


@pytest.mark.parametrize("name", REAL)
def test_no_signs_exceed_the_magnitudes_and_positive_numbers_reach_them(name: str, generator: torch.Generator) -> None:
    program = PROGRAMS[name]
    output = run(name, tuple(torch.ones(shape, dtype=torch.float64) for shape in program.shapes))
    for _ in range(3):
        numbers = whole(program, generator)
        signs = torch.randint(0, 2, output.shape, generator=generator).double() * 2 - 1
        bounds = bound(name, numbers)
        assert all(met <= most for met, most in zip(largest(name, numbers, signs), bounds, strict=True))
        if not program.loose:
            positive = largest(name, tuple(one.abs() for one in numbers), torch.ones_like(output))
            assert positive == bounds


@cache
def programs_by_operator(programs: Iterable[str] = tuple(PROGRAMS)) -> dict[str, set[str]]:
    """Return the programs in whose graphs an operator that varies is, by its name, however they are captured."""
    by_operator: dict[str, set[str]] = defaultdict(set)
    for name in programs:
        constants = constants_of(traced(name), ())
        for node in traced(name).graph.graph.nodes:
            if node not in constants:
                by_operator[name_of(node)].add(name)
    return by_operator


def without_export(name: str) -> set[str]:
    """Return the operators of a program as make_fx captures it."""
    program = PROGRAMS[name]
    inputs = (*(torch.randn(shape, dtype=torch.float64) for shape in program.shapes), *program.given)
    with capture.quiet(), float64_by_default():
        return {name_of(node) for node in capture.by_make_fx(program.module(), inputs).graph.graph.nodes}


def test_every_operator_that_can_be_read_is_in_a_program() -> None:
    readable = operators().keys() - activation.OPERATORS.keys() - normalisation.OPERATORS.keys()
    readable -= {*transform.OPERATORS, "sqrt", "rsqrt", "reciprocal"}
    met = set(programs_by_operator()).union(*map(without_export, PROGRAMS))
    assert readable <= met


def changed(degree: int = 0, bits: int = 0) -> Callable[[Operator], Operator]:
    """Return a change of an operator, whose reader then adds these."""

    def change(operator: Operator) -> Operator:
        def read(call: Call) -> Known:
            known = operator.read(call)
            assert known.degree is not None
            return replace(known, degree=known.degree + degree, bits=None if known.bits is None else known.bits + bits)

        return replace(operator, read=read)

    return change


@pytest.mark.parametrize("degree", [-1, 1])
def test_a_reader_with_a_wrong_degree_is_noticed(degree: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def noticed(name: str) -> bool:
        wrong = facts_of(traced(name)).degree
        return not degree_is_right(name, wrong, torch.Generator().manual_seed(0))

    assert sorted(unnoticed(changed(degree=degree), noticed, monkeypatch)) == []


def test_a_reader_with_too_many_bits_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def noticed(name: str) -> bool:
        return digits(name, torch.Generator().manual_seed(0)) != facts_of(traced(name)).bits

    assert sorted(unnoticed(changed(bits=1), noticed, monkeypatch)) == []


def unnoticed(
    change: Callable[[Operator], Operator], noticed: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Yield the operators whose readers could be changed without that a program notices it."""
    known = operators()
    for name in known.keys() & programs_by_operator().keys():
        with monkeypatch.context() as patch:
            patch.setattr(facts_room, "operators", lambda name=name: {**known, name: change(known[name])})
            if not any(map(noticed, sorted(programs_by_operator()[name]))):
                yield name


def test_a_magnitude_that_is_too_small_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    absolute = magnitudes_room._Absolute._absolute

    def halved(values: Any) -> Any:
        if isinstance(values, (tuple, list)):
            return tuple(map(halved, values))
        return values * 0.5 if isinstance(values, Tensor) and values.is_floating_point() else values

    unnoticed = []
    for operator in operators().keys() & programs_by_operator(REAL).keys():
        with monkeypatch.context() as patch:

            def smaller(self: Any, node: fx.Node, operator: str = operator) -> Any:
                result = absolute(self, node)
                return halved(result) if name_of(node) == operator else result

            patch.setattr(magnitudes_room._Absolute, "_absolute", smaller)
            if not any(map(exceeded, sorted(programs_by_operator(REAL)[operator]))):
                unnoticed.append(operator)
    assert sorted(unnoticed) == []


def exceeded(name: str) -> bool:
    """Return whether outputs at numbers of some signs, all of one magnitude, exceed what absolute values make."""
    generator, program = torch.Generator().manual_seed(0), PROGRAMS[name]
    for attempt in range(20):
        signs = (torch.randint(0, 2, shape, generator=generator) * 2 - 1 for shape in program.shapes)
        numbers = tuple((sign.abs() if not attempt else sign).double() * MAGNITUDE for sign in signs)
        arguments = traced(name).arguments((*(one.abs() for one in numbers), *program.given), {})
        if (run(name, numbers).abs() > magnitudes_room._Absolute(traced(name), facts(name)).run(*arguments)).any():
            return True
    return False
