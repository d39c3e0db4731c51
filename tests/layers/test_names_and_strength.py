"""Kinds name their axes, and say what no input could show of a wrong rewrite."""

from __future__ import annotations

import pytest

from convcheck.layers import parse_layer


@pytest.mark.parametrize(
    ("layer", "parameter", "axes"),
    [
        ("Conv1d(4, 6, 3)", "weight", "o i kl"),
        ("Conv2d(4, 6, 3, groups=2)", "weight", "(g o) i kh kw"),
        ("Conv3d(4, 6, 3)", "bias", "o"),
        ("ConvTranspose2d(4, 6, 3)", "weight", "i o kh kw"),
        ("ConvTranspose2d(4, 6, 3, groups=2)", "weight", "(g i) o kh kw"),
        ("Linear(3, 4)", "weight", "o i"),
        ("BatchNorm2d(3)", "weight", "o"),
        ("Patchify(3, 4, 2, 2)", "conv.weight", "o i kh kw"),
        ("Unpatchify(3, 4, 2, 2)", "conv.weight", "i o kh kw"),
        ("MultiheadAttention(4, 2)", "in_proj_weight", "o i"),
        ("MultiheadAttention(4, 2, add_bias_kv=True)", "bias_k", "a0 a1 a2"),
        ("Sequential(ReLU(), Conv2d(4, 6, 3, groups=2))", "1.weight", "o i kh kw"),
    ],
)
def test_the_axes_of_a_parameter_have_names(layer: str, parameter: str, axes: str) -> None:
    groups = parse_layer(layer).parameter_axes(parameter)
    assert " ".join(group[0] if len(group) == 1 else f"({' '.join(group)})" for group in groups) == axes


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        ("Conv2d(4, 6, 3)", (2, 4, 5, 5), "b o h w"),
        ("Conv2d(4, 6, 3)", (4, 5, 5), "o h w"),
        ("MaxPool3d(2)", (2, 4, 5, 5, 5), "b o t h w"),
        ("Patchify(3, 4, 1, 2)", (2, 6, 3), "b l o"),
        ("Linear(3, 4)", (2, 3), "b o"),
        ("Linear(3, 4)", (2, 5, 3), "axis 0,axis 1,o"),
        ("BatchNorm1d(3)", (2, 3), "b o"),
        ("BatchNorm1d(3)", (2, 3, 5), "b o l"),
        ("PixelShuffle(2)", (2, 2, 4, 5, 5), "axis 0,axis 1,o,h,w"),
        ("ReLU()", (2, 3), "axis 0,axis 1"),
        ("Sequential(Flatten(2), Conv1d(4, 6, 3), ReLU())", (2, 4, 5, 5), "b o l"),
    ],
)
def test_the_axes_of_an_output_have_names(layer: str, shape: tuple[int, ...], axes: str) -> None:
    assert parse_layer(layer).output_axes(shape) == tuple(axes.split("," if "," in axes else " "))


@pytest.mark.parametrize(
    ("layer", "periods"),
    [
        ("ConvTranspose2d(4, 6, 3, stride=(5, 2))", {"h": 5, "w": 2}),
        ("Unpatchify(3, 4, 1, 7)", {"l": 7}),
        ("Conv2d(4, 6, 3, stride=2)", {}),
    ],
)
def test_outputs_of_a_transposed_layer_repeat_after_its_stride(layer: str, periods: dict[str, int]) -> None:
    assert parse_layer(layer).axis_periods() == periods


CHANNEL = "one channel, so a patch with channels first and one with channels last are the same"
PATCH = "patch 1, so there is no patch order to get wrong"
HEAD = "one head, or heads of one feature, so heads and features cannot be mixed up"


@pytest.mark.parametrize(
    ("layer", "texts"),
    [
        ("Conv2d(4, 6, 3)", []),
        ("Conv2d(4, 4, 3, groups=4)", [CHANNEL]),
        ("Conv2d(1, 6, 1)", [PATCH]),
        ("ConvTranspose2d(4, 1, 3)", [CHANNEL]),
        ("Patchify(1, 4, 2, 2)", [CHANNEL]),
        ("Unpatchify(4, 1, 2, 2)", [CHANNEL]),
        ("PixelShuffle(1)", [PATCH]),
        ("PixelUnshuffle(1)", [PATCH]),
        ("Unfold(1)", [PATCH]),
        ("Fold(4, 1)", [PATCH]),
        ("MultiheadAttention(4, 1)", [HEAD]),
        ("MultiheadAttention(4, 4)", [HEAD]),
        ("Linear(1, 1)", []),
        ("Sequential(PixelShuffle(1), ReLU())", [f"0 (PixelShuffle): {PATCH}"]),
        ("Sequential(Sequential(PixelShuffle(1)), Conv2d(2, 4, 1))", [f"0 (Sequential): 0 (PixelShuffle): {PATCH}"]),
    ],
)
def test_a_layer_says_what_its_numbers_leave_untested(layer: str, texts: list[str]) -> None:
    read = parse_layer(layer)
    assert list(read.untested(*read.example_inputs())) == texts
