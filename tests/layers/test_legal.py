"""What is refused is told what would be legal, and that is legal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcheck.errors import LayerError, ShapeError
from convcheck.layers import Conv, ConvTranspose, Layer, Pool, accept, parse_layer
from convcheck.sizes.limits import MAX_AXES
from convcheck.sizes.patterns import Shape, Shapes
from tests.strategies.layers import convs, pools, transposed

ARGUMENTS = {
    "heads": (
        "MultiheadAttention(12, 5)",
        "5 and must divide embed_dim, which is 12; what divides it is 1, 2, 3, 4, 6",
    ),
    "'same' with a stride": (
        "Conv2d(3, 8, (7, 2), stride=2, padding='same')",
        "Written out, it pads by (before, after) (3, 3), (0, 1); `convcheck shape --same` says more",
    ),
    "patches of other axes": (
        "Patchify(3, 8, data_dim=3, patch_size=(2, 2))",
        "patch_size is (2, 2), 2 numbers, and data_dim is 3; it must be one number or 3 of them",
    ),
    "patches of one axis": (
        "Patchify(3, 8, data_dim=1, patch_size=(2, 2))",
        "patch_size is (2, 2), 2 numbers, and data_dim is 1; it must be one number",
    ),
    "a size of other axes": (
        "Unpatchify(3, 8, data_dim=2, patch_size=2, output_spatial_shape=(4, 4, 4))",
        "output_spatial_shape is (4, 4, 4), and data_dim is 2; it must be one number or 2 of them",
    ),
    "two outputs in a chain": (
        "Sequential(MaxPool2d(2, return_indices=True), MaxPool2d(2))",
        "the next layer takes one, so return_indices must be False",
    ),
    "one number too large": (
        "Conv2d(3, 8, (2, 9223372036854775808))",
        "it must be a whole number up to 92233720368547",
    ),
    "a dilation of 0": (
        "MaxPool2d(3, dilation=0)",
        "dilation is 0; it must be a whole number at least 1, or 2 of them",
    ),
    "a negative padding": ("Conv2d(3, 8, 2, padding=-1)", "padding is -1; it must be a whole number at least 0"),
    "groups": (
        "Conv2d(4, 6, 2, groups=4)",
        "groups is 4 and must divide out_channels, which is 6; what divides both is",
    ),
}


@pytest.mark.parametrize(("text", "message"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_an_impossible_argument_is_told_its_range(text: str, message: str) -> None:
    with pytest.raises(LayerError) as error:
        parse_layer(text)
    assert message in str(error.value)


def test_axes_are_numbered_up_to_the_most_there_may_be_from_either_end() -> None:
    for legal in (-MAX_AXES, MAX_AXES - 1):
        assert str(legal) in str(parse_layer(f"Softmax({legal})"))
    for beyond in (-MAX_AXES - 1, MAX_AXES):
        with pytest.raises(LayerError, match=f"the number of an axis, from {-MAX_AXES} to {MAX_AXES - 1}"):
            parse_layer(f"Softmax({beyond})")


SHAPES: dict[str, tuple[str, Shapes, str]] = {
    "channels to shuffle": ("PixelShuffle(2)", ((6, 3, 3),), "[6, 3, 3] has 6; 4 or 8 would be"),
    "too few channels to shuffle": ("PixelShuffle(2)", ((3, 3, 3),), "[3, 3, 3] has 3; 4 would be"),
    "a length to unshuffle": ("PixelUnshuffle(4)", ((1, 9, 4),), "downscale_factor, which is 4; 8 or 12 would be"),
    "rows to fold": ("Fold(4, 2)", ((6, 9),), "[6, 9] has 6 on axis 0; 4 or 8 would be"),
    "columns to fold": ("Fold(4, 2)", ((4, 8),), "Fold takes 9 columns, one for each of the 3 * 3 windows"),
    "a length to split": ("Unflatten(1, (2, -1))", ((2, 5),), "axis 1 of [2, 5] has length 5; 4 or 6 would be"),
    "axes that cross": ("Flatten(2, -2)", ((1, 2, 3),), "must not come after the last; it takes 4 axes or more"),
    "axes that cross the other way": ("Flatten(-2, 1)", ((1, 2, 3, 4),), "after the last; it takes 3 axes at most"),
    "an axis that is not there": ("Flatten(3)", ((1, 2),), "it takes 4 of them or more"),
    "too little to reflect": (
        "Conv1d(1, 1, 2, padding=3, padding_mode=reflect)",
        ((1, 3),),
        "it reaches 2 at most; for this padding l must be at least 4",
    ),
    "too little to wrap around, and for the kernel": (
        "Conv1d(1, 1, 9, padding=2, padding_mode=circular)",
        ((1, 1),),
        "it reaches 1 at most; for this padding l must be at least 5",
    ),
    "less than a kernel of AvgPool3d": (
        "AvgPool3d(4, stride=1, padding=1)",
        ((1, 1, 9, 9),),
        "t must be at least 4",
    ),
    "leading axes": ("matmul()", ((2, 3, 4), (3, 4, 5)), "are 2 and 3; they must be equal, or one of them 1"),
    "batches": ("bmm()", ((2, 3, 4), (1, 4, 5)), "are 2 and 1; they must be equal"),
    "heads that are shared": (
        "scaled_dot_product_attention(enable_gqa=True)",
        ((6, 5, 8), (4, 7, 8), (4, 7, 8)),
        "need to divide the 6 of [6, 5, 8]; what divides them is 1, 2, 3, 6",
    ),
    "a pattern that does not divide": ("rearrange('(a b) -> a b', a=2)", ((5,),), "with a=2; 4 or 6 would be"),
    "a pattern of other lengths": ("rearrange('(a b) -> a b', a=2, b=3)", ((5,),), "with a=2, b=3; it must be 6"),
    "a grid that has no such size": (
        "Unpatchify(4, 3, data_dim=1, patch_size=5, stride=3, output_spatial_shape=23)",
        ((2, 6, 4),),
        "asks for 23 on axis l, and a grid of [6] has 20 to 22 there",
    ),
    "more padding than there is": (
        "ConvTranspose1d(1, 1, 2, padding=3)",
        ((1, 4),),
        "padding 3 cuts 6 positions away; l must be at least 6",
    ),
}


@pytest.mark.parametrize(("text", "shapes", "message"), SHAPES.values(), ids=SHAPES)
def test_an_impossible_shape_is_told_what_would_do(text: str, shapes: Shapes, message: str) -> None:
    with pytest.raises(ShapeError) as error:
        accept(parse_layer(text), shapes)
    assert message in str(error.value)


def fits(layer: Layer, shape: Shape) -> bool:
    try:
        layer.output_shape(shape)
    except ShapeError:
        return False
    return True


@given(st.one_of(convs(), transposed(), pools()), st.integers(1, 8), st.integers(0, 2))
def test_the_least_length_that_is_told_is_the_least(layer: Layer, length: int, axis: int) -> None:
    assert isinstance(layer, (Conv, ConvTranspose, Pool))
    channels = 2 if isinstance(layer, Pool) else layer.in_channels
    at = 1 + axis % layer.dims

    def shape(length: int) -> Shape:
        return tuple(channels if number == 0 else length if number == at else 40 for number in range(layer.dims + 1))

    if fits(layer, shape(length)):
        return
    with pytest.raises(ShapeError) as error:
        layer.output_shape(shape(length))
    told = re.search(r"must be at least (\d+)$", str(error.value))
    assert told is not None
    assert fits(layer, shape(int(told[1])))
    assert not fits(layer, shape(int(told[1]) - 1))
