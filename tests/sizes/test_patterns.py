"""A pattern on numbers does what einops does on tensors."""

import einops
import pytest
import torch

from convcheck.errors import PatternError
from convcheck.sizes.patterns import parse, parse_order, spell

SIZES = {"kh": 2, "kw": 3, "g": 2}

WORKS = {
    "flattening": ("o i kh kw -> o (i kh kw)", (4, 5, 2, 3)),
    "permuting": ("o i kh kw -> kw (i o) kh", (4, 5, 2, 3)),
    "axes of length 1": ("o i kh kw -> o (i kh kw) 1 1", (4, 5, 2, 3)),
    "splitting": ("(g o) i kh kw -> g o (i kh kw)", (4, 5, 2, 3)),
    "repeating": ("o -> (o kh kw)", (4,)),
    "unflattening": ("o (i kh kw) -> o i kh kw", (4, 30)),
}

REFUSES = {
    "no arrow": ("o i", "needs one '->'"),
    "two arrows": ("o -> i -> o", "needs one '->'"),
    "an axis named twice": ("o o -> o", "duplicate dimension"),
    "a lost axis": ("o i -> o", "loses i"),
    "nested parentheses": ("o i -> ((o i))", "is not an einops pattern"),
    "an ellipsis": ("... o -> o ...", "ellipsis"),
    "a number": ("o 2 -> o 2", "number that is not 1; name the axis instead, as in 'o -> (r o), r=16'"),
    "a strange character": ("o-i -> o", "is not an einops pattern"),
}

MISFITS = {
    "another rank": ("o i -> o i", (4, 5, 2), "has 2 axes, but the tensor is [4, 5, 2], which has 3"),
    "an axis of another length": ("o kh -> o kh", (4, 5), "an axis of length 5 is not (kh) with kh=2"),
    "a group that does not divide": ("(g o) -> g o", (5,), "an axis of length 5 is not (g o) with g=2"),
    "two unknown lengths in one group": ("(a b) -> a b", (4,), "the lengths of a and b in (a b) are not known"),
    "a repeated axis of unknown length": ("o -> (o r)", (4,), "'r' stands on the right only"),
}


@pytest.mark.parametrize(("text", "shape"), WORKS.values(), ids=WORKS.keys())
def test_shape_is_what_einops_makes(text: str, shape: tuple[int, ...]) -> None:
    pattern = parse(text)
    known = {axis: size for axis, size in SIZES.items() if axis in text}
    made = einops.repeat(torch.arange(float(torch.Size(shape).numel())).reshape(shape), text, **known)
    assert pattern.shape(shape, SIZES) == tuple(made.shape)
    assert pattern.copies(shape, SIZES) == made.numel() // torch.Size(shape).numel()


@pytest.mark.parametrize("text", [text for text, _ in WORKS.values()], ids=WORKS.keys())
def test_text_is_read_back(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(("text", "message"), REFUSES.values(), ids=REFUSES.keys())
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(PatternError) as error:
        parse(text)
    assert message in str(error.value)


@pytest.mark.parametrize(("text", "shape", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_says_why_a_pattern_does_not_fit(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(PatternError) as error:
        parse(text).shape(shape, SIZES)
    assert message in str(error.value)


def test_templates_are_spelt_for_every_dimensionality() -> None:
    template = "o i {k} -> {space} {blocks} {ones}"
    assert spell(template, 1) == "o i kl -> l (l kl) 1"
    assert spell(template, 2) == "o i kh kw -> h w (h kh) (w kw) 1 1"
    assert spell(template, 3) == "o i kt kh kw -> t h w (t kt) (h kh) (w kw) 1 1 1"


def test_an_order_is_a_row_of_names() -> None:
    assert parse_order("kh kw i") == ("kh", "kw", "i")
    with pytest.raises(PatternError):
        parse_order("(kh kw) i")
