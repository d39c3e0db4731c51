"""Conditions in the fewest words say what all of them said."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcheck.errors import ShapeError
from convcheck.sizes.collected import collected
from convcheck.sizes.conditions import Condition
from convcheck.sizes.lengths import Length, name
from convcheck.sizes.strongest import holds, strongest

H, W = name("H"), name("W")
SIZES = range(1, 50)


@st.composite
def lengths(draw: st.DrawFn) -> Length:
    """Draw what layers make of one or two lengths."""
    length = draw(st.sampled_from([H, W, H + W, H * W, H + 2 * W]))
    for _ in range(draw(st.integers(0, 2))):
        length = (length * draw(st.integers(1, 2)) + draw(st.integers(-4, 4))) // draw(st.integers(1, 4))
    return length


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    relation: Any = draw(st.sampled_from(["=", ">=", "is a multiple of"]))
    return Condition(draw(lengths()), relation, draw(st.integers(1, 6)))


@given(st.lists(conditions(), max_size=4))
def test_fewer_conditions_hold_for_the_same_sizes(given_: list[Condition]) -> None:
    sizes = [{"H": h, "W": w} for h, w in itertools.product(SIZES, repeat=2)]
    before = [all(holds(condition, values) for condition in given_) for values in sizes]
    try:
        after = strongest(given_)
    except ShapeError:
        assert not any(before)
        return
    assert len(after) <= len(given_) + 1
    assert [all(holds(condition, values) for condition in after) for values in sizes] == before


SAID = {
    "divisible, and what is left of it too": (
        [Condition(H, "is a multiple of", 2), Condition(H // 2, "is a multiple of", 2)],
        ["H is a multiple of 4"],
    ),
    "several strides behind a padding": (
        [Condition((H + 1) // 2, "is a multiple of", 1), Condition(H + 3, "is a multiple of", 4)],
        ["H - 1 is a multiple of 4"],
    ),
    "neither follows": (
        [Condition((H + 3) // 2, "is a multiple of", 2), Condition((H + 15) // 4, "is a multiple of", 4)],
        ["(H + 3)//2 is a multiple of 2", "(H + 15)//4 is a multiple of 4"],
    ),
    "what follows from bounds of the names": (
        [Condition(H + W - 3, ">=", 0), Condition((H + W - 16) // 2, ">=", 0), Condition(H, ">=", 16)],
        ["H >= 16"],
    ),
    "of several the highest": (
        [Condition(H + W - 3, ">=", 0), Condition((H + W - 8) // 2, ">=", 0)],
        ["H + W >= 8"],
    ),
    "an equation without a common factor": ([Condition(8 * (H * W), "=", 128)], ["H*W = 16"]),
    "what follows from a number": (
        [Condition(H, "=", 12), Condition(H, "is a multiple of", 4), Condition(H // 2, ">=", 3)],
        ["H = 12"],
    ),
    "what follows from an equation": ([Condition(H // 4, "=", 8), Condition(H, ">=", 4)], ["H//4 = 8"]),
    "nothing to say": ([Condition(H + W, ">=", 2)], []),
}


@pytest.mark.parametrize(("given_", "expected"), SAID.values(), ids=SAID)
def test_nothing_is_said_that_follows(given_: list[Condition], expected: list[str]) -> None:
    assert list(map(str, strongest(given_))) == expected


IMPOSSIBLE = {
    "no H would do: it must be 3, and at least 5": [Condition(H, "=", 3), Condition(H, ">=", 5)],
    "no H would do: it must be 3, and 4": [Condition(H, "=", 3), Condition(H + 1, "=", 5)],
    "no H would do: H = 6": [Condition(H, "=", 6), Condition(H, "is a multiple of", 4)],
    "no H would do: H is a multiple of 2, and H + 1 is a multiple of 2": [
        Condition(H, "is a multiple of", 2),
        Condition(H + 1, "is a multiple of", 2),
    ],
    "no lengths would do: 2*H*W = 5": [Condition(2 * (H * W), "=", 5)],
}


@pytest.mark.parametrize(("message", "given_"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_what_no_lengths_meet_is_an_error(message: str, given_: list[Condition]) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        strongest(given_)


@given(st.lists(st.tuples(lengths(), lengths(), st.integers(1, 4)), max_size=4), st.integers(1, 20), st.integers(1, 20))
def test_a_collected_sum_is_the_sum(products: list[tuple[Length, Length, int]], h: int, w: int) -> None:
    values = {"H": h, "W": w}
    parts: list[Any] = [first * second * count for first, second, count in products]
    total: Any = collected([*parts, 7])
    expected = 7 + sum(first.evaluate(values) * second.evaluate(values) * count for first, second, count in products)
    assert (total if isinstance(total, int) else total.evaluate(values)) == expected
    plain: Any = sum(parts, 7)
    assert len(str(total)) <= len(str(plain))


COLLECTED = {
    "the batch and the positions": ([64 * name("b") * H * W, 9 * name("b") * H * W], "73*b*H*W"),
    "the batch": ([6 * name("b") * H, 4 * name("b") * (W - 1)], "2*b*(3*H + 2*W - 2)"),
    "sums that shrink": ([3 * name("b") * (H - 2), 3 * name("b") * (H - 6)], "6*b*(H - 4)"),
    "nothing in common": ([H * W, 5 * name("b")], "H*W + 5*b"),
    "numbers": ([3, 4], "7"),
}


@pytest.mark.parametrize(("parts", "expected"), COLLECTED.values(), ids=COLLECTED)
def test_what_products_have_in_common_is_taken_out(parts: list[Any], expected: str) -> None:
    assert str(collected(parts)) == expected
