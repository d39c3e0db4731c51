"""Where a candidate's parameter comes from is read as it is written, and what cannot be is said."""

from __future__ import annotations

import pytest
from hypothesis import given

from convcheck.config.parse_source import parse_source
from convcheck.config.sources import Source
from convcheck.errors import PatternError
from convcheck.sizes.patterns import Shape
from tests.strategies.sources import HAS, sources

SHAPES: dict[str, Shape] = {
    "q.weight": (8, 6),
    "k.weight": (4, 6),
    "v.weight": (4, 6),
    "q.bias": (8,),
    "v.bias": (4,),
    "down": (5, 6, 1, 1),
    "up": (7, 5, 3, 3),
    "scalar": (),
}

MAKES: dict[object, tuple[Shape, Shape | None]] = {
    "q.weight": ((8, 6), None),
    "q.weight: o i -> i o": ((6, 8), None),
    "[q.weight; k.weight; v.weight]": ((16, 6), None),
    "[q.weight: (h d) i -> (d h) i, h=2; k.weight]": ((12, 6), None),
    "[q.weight; k.weight; v.weight]: o i -> i o": ((6, 16), None),
    "[k.weight; v.weight]: (three o) i -> o three i, three=2": ((4, 2, 6), None),
    "q.weight: o i -> o i | part o 2 2": ((4, 6), None),
    "q.weight: o i -> o i | slice o 1 8": ((7, 6), None),
    "[q.bias; 0; v.bias]": ((16,), (16,)),
    "[0; q.bias; 1]": ((12,), (12,)),
    "0": ((3, 5), (3, 5)),
    "1 * -0.5": ((3, 5), (3, 5)),
    "q.weight * 1e-3": ((8, 6), None),
    "k.weight + v.weight * 2": ((4, 6), None),
    "q.weight + 1": ((8, 6), None),
    "einsum('o m kh kw, m i x y -> o i kh kw', up, down)": ((7, 6, 3, 3), None),
    'einsum("o i,p i->o p",q.weight,(k.weight+v.weight))': ((8, 4), None),
    "(k.weight: o i -> i o) + (v.weight: o i -> i o)": ((6, 4), None),
    "((q.weight: o i -> i o)): i o -> o i": ((8, 6), None),
    0: ((3,), (3,)),
}

# What YAML makes of `[q.weight; k.weight]`, and what reads as well there.
LISTS = {"[q.weight; k.weight]": ["q.weight; k.weight"], "[q.weight; v.weight]": ["q.weight", "v.weight"]}


@pytest.mark.parametrize(("text", "made"), MAKES.items(), ids=map(str, MAKES))
def test_a_source_makes_a_shape(text: object, made: tuple[Shape, Shape | None]) -> None:
    shape, wanted = made
    assert parse_source(text).shape(SHAPES, {}, wanted) == shape


@given(source=sources((4, 3)))
def test_a_source_is_read_as_it_is_written(source: Source) -> None:
    assert parse_source(str(source)) == source
    assert source.shape(HAS, {}, (4, 3)) == (4, 3)


@pytest.mark.parametrize(("text", "given_list"), LISTS.items())
def test_a_list_is_joined(text: str, given_list: list[str]) -> None:
    assert parse_source(given_list) == parse_source(text)


UNREADABLE: dict[object, str] = {
    "": "at its end: there must be a parameter's name",
    "[q.weight; k.weight": "at its end: there must be ']'",
    "[q.weight;; k.weight]": "at '; k.weight]': there must be a parameter's name",
    "o i -> i o": "a pattern stands behind its parameter, as in 'weight: o i -> i o'",
    "q.weight k.weight": "at 'k.weight': nothing more can stand there",
    "q.weight * k.weight": "there must be a number",
    "q.weight * 0": "0 is no factor",
    "q.weight * 1e999": "1e999 is no factor",
    "einsum(o i -> i o, q.weight)": "there must be an equation",
    "einsum('o i', q.weight)": "is no equation",
    "einsum('o 1 -> o', q.weight)": "is no equation",
    "einsum('o i -> o p', q.weight)": "every axis on the right must stand on the left",
    "einsum('o i -> o o', q.weight)": "every axis on the right must stand on the left",
    "einsum('o i, p i -> o p', q.weight)": "is of 2 tensors, and there are 1",
    "(" * 200 + "a" + ")" * 200: "brackets stand more than 100 deep",
    "a" * 20_000: "is a source of 20000 characters",
    "q.weight: o i -> o i | slice o 1": "is no such step; write it as 'slice AXIS START STOP'",
    2: "2 is no text",
    True: "True is no text",
    ("q",): "is no text",
}


@pytest.mark.parametrize(("text", "message"), UNREADABLE.items(), ids=[str(text)[:40] for text in UNREADABLE])
def test_what_is_no_source_is_refused(text: object, message: str) -> None:
    with pytest.raises(PatternError) as error:
        parse_source(text)
    assert message in str(error.value)


UNFIT: dict[str, tuple[str, Shape | None]] = {
    "q.wieght": ("the reference has no parameter 'q.wieght'; did you mean 'q.weight'", None),
    "[q.weight; down]": ("the parts are [8, 6] and [5, 6, 1, 1]; all axes but the first must agree", None),
    "[q.bias; 0]: a -> a": ("how long the constants are is not known", (12,)),
    "[q.bias; 0; v.bias]": ("for the constants 0 places are left, of 12", (12,)),
    "[q.bias; 0; 0]": ("for the constants 3 places are left, of 11", (11,)),
    "[scalar; scalar]": ("a part has no axis along which it could be joined", None),
    "q.weight + k.weight": ("the terms are [8, 6] and [4, 6]", None),
    "0 + 1": ("is made of no parameter", (3,)),
    "[0; 1] * 2": ("is made of no parameter", (4,)),
    "0: a -> a": ("the shape of 0 is not known here", (3,)),
    "einsum('o i, o i -> o', q.weight, k.weight)": ("o is 8 long, and 4 in k.weight", None),
    "einsum('o -> o', q.weight)": ("'o' has 1 axes, and q.weight is [8, 6]", None),
    "q.weight: o i -> o i | slice o 3 9": ("o is 8 long, and has no such places", None),
    "q.weight: o i -> o i | slice o 3 3": ("o is 8 long, and has no such places", None),
}


@pytest.mark.parametrize(("text", "refusal"), UNFIT.items(), ids=UNFIT)
def test_what_does_not_fit_is_refused(text: str, refusal: tuple[str, Shape | None]) -> None:
    message, wanted = refusal
    with pytest.raises(PatternError) as error:
        parse_source(text).shape(SHAPES, {}, wanted)
    assert message in str(error.value)
