"""Steps behind a pattern are read as written, and change shapes as they change tensors."""

from __future__ import annotations

import math

import pytest
import torch

from convcheck.errors import PatternError
from convcheck.rewriting.steps import steps_of
from convcheck.sizes.patterns import Shape
from convcheck.sizes.relayouts import parse_relayout

SIZES = {"kh": 2, "kw": 3, "g": 2}

WORKS: dict[str, tuple[str, Shape, Shape]] = {
    "a pattern alone": ("o i kh kw -> o (i kh kw)", (4, 5, 2, 3), (4, 30)),
    "a flip of an axis in a group": ("o i kh kw -> o (i kh kw) | flip kh", (4, 5, 2, 3), (4, 30)),
    "zeros along an axis in a group": ("o i kh kw -> o (i kh kw) | pad kh 0 1", (4, 5, 2, 3), (4, 45)),
    "zeros in front and behind": ("o i kh kw -> o i kh kw | pad kw 2 1", (4, 5, 2, 3), (4, 5, 2, 6)),
    "no zeros": ("o -> o | pad o 0 0", (4,), (4,)),
    "zeros between": ("o i kh kw -> (o i) kh kw | dilate kw 3", (4, 5, 2, 3), (20, 2, 7)),
    "another sign": ("o -> o | negate", (4,), (4,)),
    "copies, and that they are": ("o -> (o kh kw) | repeat", (4,), (24,)),
    "blocks on a diagonal": ("(g o) i kh kw -> (g o) i kh kw | blocks i 2", (4, 5, 2, 3), (4, 10, 2, 3)),
    "a part": ("o i -> o i | part o 2 3", (6, 5), (2, 5)),
    "lengths behind a pattern": ("o i (h kh) -> o (i kh) h, kh=2", (4, 5, 6), (4, 10, 3)),
    "another pattern, with other axes": (
        "o i kl -> o i kl | pad kl 0 1 | o i (l k) -> (o k) i l, k=2",
        (4, 5, 3),
        (8, 5, 2),
    ),
    "an axis of the same name, but another": ("o i -> o i | pad o 1 1 | (g o) i -> g o i, o=3", (4, 5), (2, 3, 5)),
}

REFUSES = {
    "an unknown step": ("o -> o | flop o", "'flop' is no step; did you mean 'flip'?"),
    "an empty step": ("o -> o |", "'' is no step; there are: flip, pad"),
    "a step before any pattern": ("flip o | o -> o", "'flip o' needs one '->'"),
    "a flip of nothing": ("o -> o | flip", "'flip' is no such step; write it as 'flip AXIS'"),
    "a number too few": ("o -> o | pad o 1", "'pad o 1' is no such step; write it as 'pad AXIS BEFORE AFTER'"),
    "a number too many": ("o -> o | negate 2", "write it as 'negate'"),
    "a number below 0": ("o -> o | pad o -1 0", "write it as 'pad AXIS BEFORE AFTER'"),
    "a number that is none": ("o -> o | pad o a b", "write it as 'pad AXIS BEFORE AFTER'"),
    "no distance": ("o -> o | dilate o 0", "'dilate o 0': the factor must be at least 1"),
    "a length of nothing": ("o -> o, p=2", "'p=2': 'o -> o' has no axis 'p'"),
    "a length that is none": ("o -> o, o", "'o' is no length of an axis; write them behind a pattern, as 'kh=2, kw=2'"),
    "a length given twice": ("o -> o, o=1, o=1", "'o=1' is no length of an axis"),
    "a second pattern that loses an axis": ("o i -> o i | o i -> o", "'o i -> o' loses i"),
    "thousands of steps": ("o -> o" + " | negate" * 1000, "is a pattern of 9006 characters; 1000 at most are read"),
}

MISFITS = {
    "a flip of no axis": (
        "o i -> o i | flip kh",
        "'flip kh': there is no such axis; there are: o, i",
    ),
    "an axis that a pattern called otherwise": ("o i -> o i | a b -> b a | flip o", "'flip o': there is no such axis"),
    "a repetition of nothing": ("o i -> i o | repeat", "'repeat': 'o i -> i o' repeats nothing"),
    "a part that does not divide": ("o i -> o i | part o 1 3", "'part o 1 3': o is 4 long, and has no such part"),
    "a part that is too many": ("o i -> o i | part o 3 2", "'part o 3 2': o is 4 long, and has no such part"),
    "blocks along the first axis": ("o i -> o i | blocks o 2", "'blocks o 2': needs to be along the second axis"),
    "blocks that do not divide": ("o i -> o i | blocks i 3", "with a first one that 3 divides"),
    "a second pattern that does not fit": ("o i -> o i | o i k -> o i k", "but the tensor is [4, 6], which has 2"),
    "a length that contradicts": ("(a b) i -> a b i, a=3", "an axis of length 4 is not (a b) with a=3"),
}


@pytest.mark.parametrize(("text", "shape", "expected"), WORKS.values(), ids=WORKS.keys())
def test_shapes_are_those_of_tensors(text: str, shape: Shape, expected: Shape) -> None:
    relayout = parse_relayout(text)
    tensor = torch.arange(1.0, math.prod(shape) + 1).reshape(shape)
    shapes = [shape]
    for step in steps_of(relayout, shape, SIZES):
        tensor = step.forward(tensor)
        shapes.append(step.shape(shapes[-1]))
        assert tuple(tensor.shape) == shapes[-1]
    assert relayout.result(shape, SIZES) == tuple(tensor.shape) == expected


@pytest.mark.parametrize("text", [text for text, _, _ in WORKS.values()], ids=WORKS.keys())
def test_text_is_read_back(text: str) -> None:
    assert str(parse_relayout(text)) == text
    assert parse_relayout(text.replace(" | ", "|").replace(", ", " ,  ")) == parse_relayout(text)


@pytest.mark.parametrize(("text", "message"), REFUSES.values(), ids=REFUSES.keys())
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(PatternError) as error:
        parse_relayout(text)
    assert message in str(error.value)


@pytest.mark.parametrize(("text", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_a_misfit_is_named(text: str, message: str) -> None:
    with pytest.raises(PatternError) as error:
        parse_relayout(text).result((4, 6), SIZES)
    assert message in str(error.value)
