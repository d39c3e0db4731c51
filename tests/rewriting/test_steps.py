"""Every step does what it says, and its way back gives back what went in."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convcheck.rewriting.steps import NoWayBackError, steps_of
from convcheck.rewriting.transplant import Move
from convcheck.sizes.patterns import Shape
from convcheck.sizes.relayouts import parse_relayout
from tests.sizes.test_relayouts import SIZES, WORKS

MADE: dict[str, tuple[str, list[float], list[float]]] = {
    "flip": ("a -> a | flip a", [1, 2, 3], [3, 2, 1]),
    "flip in a group": ("(a kw) -> (a kw) | flip kw", [1, 2, 3, 4, 5, 6], [3, 2, 1, 6, 5, 4]),
    "pad": ("a -> a | pad a 2 1", [1, 2], [0, 0, 1, 2, 0]),
    "pad in a group": ("(kh kw) -> (kh kw) | pad kw 0 1", [1, 2, 3, 4, 5, 6], [1, 2, 3, 0, 4, 5, 6, 0]),
    "pad, then flip": ("a -> a | pad a 0 1 | flip a", [1, 2], [0, 2, 1]),
    "flip, then pad": ("a -> a | flip a | pad a 0 1", [1, 2], [2, 1, 0]),
    "dilate": ("a -> a | dilate a 3", [1, 2], [1, 0, 0, 2]),
    "negate": ("a -> a | negate", [1, -2], [-1, 2]),
    "repeat": ("a -> (a kh) | repeat", [1, 2], [1, 1, 2, 2]),
    "part": ("a -> a | part a 2 3", [1, 2, 3, 4, 5, 6], [3, 4]),
    "slice": ("a -> a | slice a 1 4", [1, 2, 3, 4, 5, 6], [2, 3, 4]),
}


@pytest.mark.parametrize(("text", "before", "after"), MADE.values(), ids=MADE.keys())
def test_a_step_moves_numbers_as_written(text: str, before: list[float], after: list[float]) -> None:
    move = Move("weight", "weight", (len(before),), steps_of(parse_relayout(text), (len(before),), SIZES))
    assert move.forward({"weight": torch.tensor(before)}).tolist() == after


WHOLE = {name: entry for name, entry in WORKS.items() if name != "a part"}
"""Of a part alone there is no way back to the whole."""


@pytest.mark.parametrize(("text", "shape", "_expected"), WHOLE.values(), ids=WHOLE.keys())
def test_there_is_a_way_back(text: str, shape: Shape, _expected: Shape) -> None:
    move = Move("weight", "weight", shape, steps_of(parse_relayout(text), shape, SIZES))
    tensor = torch.arange(1.0, math.prod(shape) + 1).reshape(shape)
    there = move.forward({"weight": tensor})
    assert torch.equal(move.backward(there), tensor)
    if there.count_nonzero() < there.numel():
        there[tuple((there == 0).nonzero()[0].tolist())] = 1
        with pytest.raises(NoWayBackError, match=r"weight\[.*\] is 1\.0; by '(pad|dilate|blocks) "):
            move.backward(there)


@given(data=st.data())
def test_steps_in_any_order_have_a_way_back(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=3, max_size=3)))
    axes = ["a", "b", "c"]
    axis = st.sampled_from(axes)
    steps = st.one_of(
        axis.map("flip {}".format),
        st.builds("pad {} {} {}".format, axis, st.integers(0, 2), st.integers(0, 2)),
        st.builds("dilate {} {}".format, axis, st.integers(1, 3)),
        st.just("negate"),
        st.permutations(axes).map(lambda order: f"a b c -> {' '.join(order)} | {' '.join(order)} -> a b c"),
    )
    text = " | ".join(["a b c -> a b c", *data.draw(st.lists(steps, max_size=5))])
    move = Move("weight", "weight", shape, steps_of(parse_relayout(text), shape, {}))
    tensor = torch.arange(1.0, math.prod(shape) + 1).reshape(shape)
    there = move.forward({"weight": tensor})
    assert tuple(there.shape) == move.result()
    assert torch.equal(move.backward(there), tensor)
    assert torch.equal(there[there != 0].abs().sort().values, tensor.flatten())
