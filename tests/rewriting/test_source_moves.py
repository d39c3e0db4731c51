"""Every source moves numbers as its text says, and what is said of the move holds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from convcheck.config.parse_source import parse_source
from convcheck.config.sources import Source
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.source_moves import SourceReader
from convcheck.rewriting.steps import NoWayBackError
from convcheck.rewriting.transplant import Transplant
from convcheck.sizes.patterns import Shape
from tests.strategies.sources import HAS, sources

QKV: dict[str, Shape] = {"q": (4, 3), "k": (2, 3), "v": (2, 3), "b": (4,)}


def moved(text: str, wanted: Shape, has: dict[str, Shape]) -> ParameterMove:
    return SourceReader(has, {}).move(parse_source(text), "target", wanted)


def numbered(has: dict[str, Shape]) -> dict[str, Tensor]:
    """Return tensors of these shapes with other numbers in every entry."""
    count = 0
    tensors = {}
    for name, shape in has.items():
        tensors[name] = torch.arange(count + 1.0, count + 1 + math.prod(shape), dtype=torch.float64).reshape(shape)
        count += math.prod(shape)
    return tensors


def test_numbers_move_as_written() -> None:
    tensors = numbered(QKV)
    q, k, v, b = tensors.values()
    cases: dict[str, Tensor] = {
        "[q; k; v]": torch.cat([q, k, v]),
        "[k: o i -> o i | flip o; v * -2]": torch.cat([k.flip(0), -2 * v]),
        "[k; v]: (two o) i -> o (two i), two=2": torch.cat([k, v], 1),
        "[0; b; 1]": torch.cat([torch.zeros(3), b, torch.ones(3)]),
        "q: o i -> o i | slice o 1 3": q[1:3],
        "k + v * 0.5": k + v / 2,
        "q + 1": q + 1,
        "einsum('o i, p i -> p o', q, k)": k @ q.T,
        "einsum('o i, o -> i', (q: o i -> o i | negate), b)": -(q.T @ b),
        "1 * 0.5": torch.full((2,), 0.5),
    }
    for text, expected in cases.items():
        move = moved(text, tuple(expected.shape), QKV)
        assert move.result() == tuple(expected.shape), text
        assert torch.equal(move.forward(tensors), expected.double()), text


@given(source=sources((4, 3)), seed=st.integers(0, 2**32))
def test_what_is_said_of_a_move_holds(source: Source, seed: int) -> None:
    move = SourceReader(HAS, {}).move(source, "target", (4, 3))
    generator = torch.Generator().manual_seed(seed)

    def whole(shape: Shape) -> Tensor:
        return torch.randint(-1, 2, shape, generator=generator).double().requires_grad_()

    tensors = {name: whole(shape) for name, shape in HAS.items()}
    made = move.forward(tensors)
    assert tuple(made.shape) == move.result() == (4, 3)
    # Fractions have no more bits than said, and no sum is larger than that of the absolute values.
    assert torch.equal((made * 2**move.bits).round(), made * 2**move.bits)
    ones = {name: torch.ones(shape, dtype=torch.float64) for name, shape in HAS.items()}
    assert bool((made.abs() <= move.positive().forward(ones)).all())
    # A polynomial of degree d has no difference of order d + 1.
    order = move.degree + 1
    multiples = [move.forward({name: k * tensor for name, tensor in tensors.items()}) for k in range(order + 1)]
    signed = [(-1) ** k * math.comb(order, k) * multiple for k, multiple in enumerate(multiples)]
    assert not sum(signed[1:], signed[0]).any()
    used = set(move.sources)
    if made.requires_grad:
        gradients = torch.autograd.grad(made.sum(), list(tensors.values()), materialize_grads=True)
        assert all(name in used or not gradient.any() for name, gradient in zip(tensors, gradients, strict=True))


@given(source=sources((4, 3)))
def test_there_is_a_way_back_unless_numbers_merge(source: Source) -> None:
    move = SourceReader(HAS, {}).move(source, "target", (4, 3))
    tensors = numbered(HAS)
    made = move.forward(tensors)
    if move.merges:
        with pytest.raises(NoWayBackError, match=r"target is .*cannot be told apart again"):
            Transplant((move,)).backward({"target": made})
        return
    back = move.origins(made)
    # What has come back makes the same again, as far as it was moved once.
    if move.regions() is not None and Transplant((move,)).one_to_one():
        assert all(torch.equal(back[name], tensors[name]) for name in move.sources)


ONE_TO_ONE = {
    "[q; k; v]": True,
    "[v; q: o i -> o i | flip o; k]": True,
    "[q; q]": False,
    "[q; 0]": False,
    "[q; k * 2]": False,
    "[q: o i -> o i | part o 2 2; q: o i -> o i | part o 1 2]": True,
    "[q: o i -> o i | slice o 0 1; q: o i -> o i | slice o 1 4]": True,
    "[q: o i -> o i | part o 1 2; q: o i -> o i | part o 1 2]": False,
    "[q: o i -> o i | slice o 0 3; q: o i -> o i | slice o 2 4]": False,
    "[q: o i -> o i | slice o 0 1; q: o i -> o i | slice o 2 4]": False,
    "q: o i -> o i | pad o 0 1 | slice o 1 5": False,
    "q + q": False,
    "q: o i -> i o": True,
}


@pytest.mark.parametrize(("text", "expected"), ONE_TO_ONE.items(), ids=ONE_TO_ONE)
def test_what_is_one_to_one(text: str, expected: bool) -> None:
    source = parse_source(text)
    wanted = (8, 3)
    move = SourceReader(QKV, {}).move(source, "target", wanted)
    assert Transplant((move,)).one_to_one() is expected


def test_a_constant_that_training_changed_has_no_way_back() -> None:
    move = moved("[b; 0]", (6,), QKV)
    there = move.forward(numbered(QKV))
    assert move.origins(there).keys() == {"b"}
    there[5] = 1
    with pytest.raises(NoWayBackError, match=r"\[1\] is 1.0; by '0' it is 0"):
        move.origins(there)
