"""The oracle that random programs are held against, and what is printed of a verdict that contradicts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

import convcheck
from benchmarks import fuzz_own_code
from benchmarks.own_programs import build, mapping
from benchmarks.own_programs import programs as programs_module
from benchmarks.own_programs.against_torch import departures
from benchmarks.own_programs.functions import Names
from benchmarks.own_programs.laws import ANYWHERE, LAWS, Law, laws_of
from benchmarks.own_programs.laws_elementwise import merge_factors, through
from benchmarks.own_programs.laws_products import distribute_right
from benchmarks.own_programs.oracle import Pair, Truth, decide, expanded, numbered
from benchmarks.own_programs.pairs import drawn
from benchmarks.own_programs.polynomials import Polynomial, TooLargeError, constant, variable
from benchmarks.own_programs.terms import NoTermError, Term, in_order, input_, leaves, parameter, term
from convcheck.errors import ConvcheckError
from convcheck.results import Finding, Kind

X, W = input_(0, (2, 3)), parameter("w", (3, 3))


def truth(reference: Term, candidate: Term) -> Truth:
    return decide(Pair(reference, candidate, {one.name: one for one in leaves(candidate, "parameter")}))[0]


def test_the_oracle_computes_what_torch_does(tmp_path: Path) -> None:
    for number in range(15):
        assert departures(drawn(number, 5), tmp_path) == []


def test_laws_alone_make_no_difference() -> None:
    pairs = [drawn(number, 5) for number in range(25)]
    assert {pair.truth for pair in pairs if pair.mistake is None} == {Truth.EQUAL}
    assert {pair.truth for pair in pairs if pair.mistake is not None} == {Truth.EQUAL, Truth.DIFFERENT}


def test_a_number_draws_the_same_pair_again() -> None:
    first, again, other = drawn(7, 5), drawn(7, 5), drawn(7, 6)
    assert (first.reference, first.candidate, first.map) == (again.reference, again.candidate, again.map)
    assert first.reference != other.reference


def test_polynomials_multiply_out() -> None:
    x, y = variable(0), variable(1)
    assert (x + y) * (x + -y) == x * x + -(y * y)
    assert ((x + constant(Fraction(1, 3))) * 3 + constant(-1)).terms == {(0,): 3}
    assert (x * 0).terms == (x + -x).terms == {}
    assert (x * x * y + constant(5)).value([Fraction(1, 2), 4]) == 6


def test_a_program_is_expanded() -> None:
    numbers = numbered(build.matmul(X, W))
    entry = expanded(build.matmul(X, W), numbers, Names())[1, 2]
    assert entry == Polynomial({(3 + n, 6 + 3 * n + 2): 1 for n in range(3)})


DIFFERENT = [
    (build.matmul(X, W), build.matmul(X, build.swap(W))),
    (build.add(X, X), build.scale(X, Fraction(2049, 1024))),
    (term("relu", (X,)), X),
    (term("relu", (X,)), build.neg(term("relu", (build.neg(X),)))),
    (term("softmax", (X,), 0), term("softmax", (X,), 1)),
    (term("gelu", (X,), "none"), term("gelu", (X,), "tanh")),
    (term("layer_norm", (X,), 1e-5), term("layer_norm", (X,), 1e-3)),
]
EQUAL = [
    (build.mul(X, X), build.mul(build.neg(X), build.neg(X))),
    (term("relu", (build.add(X, X),)), term("relu", (build.scale(X, 2),))),
    # No law of ours, and seen by numbers alone.
    (X, build.sub(term("relu", (X,)), term("relu", (build.neg(X),)))),
    (term("softmax", (build.flip(X, [1]),), 1), build.flip(term("softmax", (X,), 1), [1])),
]


@pytest.mark.parametrize(("reference", "candidate"), DIFFERENT)
def test_a_difference_is_known(reference: Term, candidate: Term) -> None:
    assert truth(reference, candidate) is Truth.DIFFERENT


@pytest.mark.parametrize(("reference", "candidate"), EQUAL)
def test_equality_is_known(reference: Term, candidate: Term) -> None:
    assert truth(reference, candidate) is Truth.EQUAL


def test_a_source_and_its_way_back_are_inverse() -> None:
    origin, random = parameter("w", (2, 3, 4)), Random(0)
    numbers = numbered(origin)
    for _ in range(50):
        source = mapping.drawn(origin, random)
        there_and_back = expanded(source.back(source.term()), numbers, Names())
        assert np.array_equal(there_and_back, numbers["w"]), source


def programs(count: int) -> Iterator[Term]:
    for number in range(count):
        random = Random(number)
        try:
            yield mapping.relaid(programs_module.draw(random, None)[0], random)[0]
        except NoTermError:
            continue


def test_every_law_holds_where_it_applies() -> None:
    held: Counter[Law] = Counter()
    random = Random(0)
    for top in programs(300):
        numbers = numbered(top)
        for one in in_order(top):
            for law in (*laws_of(one), *ANYWHERE):
                if held[law] == 2:
                    continue
                try:
                    other = law(one, random)
                    same = np.array_equal(*(expanded(side, numbers, Names()) for side in (one, other)))
                except (NoTermError, TooLargeError):
                    continue
                assert same, (law, one)
                held[law] += 1
    laws = {law for laws in LAWS.values() for law in laws} | {*ANYWHERE, through}
    # What follows other laws, which put together what these take apart.
    assert laws - held.keys() <= {distribute_right, merge_factors}


@pytest.mark.parametrize("verdict", ["equal", "different", "error"])
def test_a_wrong_verdict_is_printed_with_both_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verdict: str
) -> None:
    answer = SimpleNamespace(verdict=verdict, evidence="float64", reason=None, reasons=())
    monkeypatch.setattr(convcheck, "verify", lambda *_, **__: answer)
    assert fuzz_own_code.main(["--pairs", "12", "--seed", "5"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("class Net(nn.Module)") >= 2
    assert "python benchmarks/fuzz_own_code.py --seed 5 --only" in printed


def test_what_no_number_tells_is_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = (Finding(Kind.INCONCLUSIVE, "all outputs are zero"),)
    answer = SimpleNamespace(verdict="error", evidence="float64", reason="all outputs are zero", reasons=reasons)
    monkeypatch.setattr(convcheck, "verify", lambda *_, **__: answer)
    assert fuzz_own_code.main(["--pairs", "5", "--seed", "5", "--format", "markdown"]) == 0
    assert "| total | 5 | 0 | 0 | 0 | 5 | 0 |" in capsys.readouterr().out


def test_what_is_refused_is_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConvcheckError("no such side")

    monkeypatch.setattr(convcheck, "verify", refuse)
    assert fuzz_own_code.main(["--pairs", "5", "--seed", "5"]) == 0
    assert "refused 5 times: no such side" in capsys.readouterr().out
