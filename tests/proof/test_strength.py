"""A case that could not have told a wrong rewrite from the right one is called weak, and a strong one is not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import convcheck
from convcheck.api import InputLike
from convcheck.layers import parse_layer
from convcheck.proof.evidence.strength import weaknesses
from convcheck.sides.side import side_of_layer

WEAK = {
    "one channel": (
        "Conv2d(1, 4, 2, stride=2)",
        None,
        "patchify-linear",
        "one channel, so a patch with channels first",
    ),
    "one channel a group": ("Conv2d(4, 4, 2, stride=2, groups=4)", None, "patchify-conv1x1", "one channel"),
    "one channel out of a transposed layer": (
        "ConvTranspose2d(4, 1, 2, stride=2)",
        None,
        "linear-unpatchify",
        "one ch",
    ),
    "patch 1": ("Conv2d(3, 4, 1)", None, "pointwise-linear", "patch 1, so there is no patch order to get wrong"),
    "PixelShuffle to one channel, where CRD is DCR": ("PixelShuffle(2)", (1, 4, 3, 2), "rearranged", "one channel"),
    "PixelShuffle in a chain": (
        "Sequential(Conv2d(3, 4, 3), PixelShuffle(2))",
        None,
        "shuffle-as-transposed",
        "1 (PixelShuffle): one channel",
    ),
    "Patchify of one channel": ("Patchify(1, 4, data_dim=2, patch_size=2)", None, "patchify-unfold", "one channel"),
    "one head": ("MultiheadAttention(8, 1)", None, "multihead-sum", "one head, or heads of one feature"),
    "heads of one feature": ("MultiheadAttention(4, 4)", None, "multihead-sum", "one head, or heads of one feature"),
    "attention to one key": (
        "scaled_dot_product_attention()",
        ((2, 3, 4), (2, 1, 4), (2, 1, 5)),
        "attention-sum",
        "input makes no difference to any output",
    ),
    "taps that read padding only": (
        "Conv2d(3, 4, 3, padding=1)",
        (2, 3, 1, 1),
        "unfold-matmul",
        "only 12 of 108 entries of weight ever meet an input",
    ),
}


@pytest.mark.parametrize(("layer", "shape", "rewrite", "note"), WEAK.values(), ids=WEAK.keys())
def test_a_weak_case_is_called_weak_and_fails_where_strict(
    layer: str, shape: InputLike | None, rewrite: str, note: str
) -> None:
    result = convcheck.verify(layer, shape, rewrite)
    assert result.verdict == "equal"
    assert result.ok
    assert any(said.text.startswith(note) for said in result.weaknesses), result.notes
    strict = convcheck.verify(layer, shape, rewrite, strict=True)
    assert strict.verdict == "equal"
    assert not strict.ok
    assert "strict asks for one that could tell" in (strict.reason or "")
    assert "strict" in strict.reproduce
    with pytest.raises(AssertionError, match="could tell a wrong rewrite"):
        convcheck.assert_equal(layer, shape, rewrite, strict=True)


STRONG = {
    "square patches: values tell rows from columns": (
        "Conv2d(2, 2, 2, stride=2)",
        (1, 2, 2, 2),
        "patchify-linear",
    ),
    "as many channels in as out": ("Conv2d(4, 4, 3, padding=1)", None, "unfold-matmul"),
    "a transposed layer with as many channels": ("ConvTranspose2d(4, 4, 3, stride=2)", None, "zeroinsert-conv"),
    "a square Linear": ("Linear(5, 5)", None, "linear-as-conv1x1"),
    "merged convolutions, one of them 1x1": ("Sequential(Conv2d(3, 4, 1), Conv2d(4, 4, 3))", None, "merge-convs"),
    "attention": ("scaled_dot_product_attention()", None, "attention-sum"),
    "several heads": ("MultiheadAttention(8, 2)", None, "multihead-sum"),
}


@pytest.mark.parametrize(("layer", "shape", "rewrite"), STRONG.values(), ids=STRONG.keys())
def test_a_strong_case_is_not_called_weak(layer: str, shape: tuple[int, ...] | None, rewrite: str) -> None:
    result = convcheck.verify(layer, shape, rewrite, strict=True)
    assert result.ok, result.reason
    assert not result.weaknesses


CONV = parse_layer("Conv2d(4, 4, 3)")


def said_of(output: Tensor, gradient: Tensor) -> list[str]:
    return list(map(str, weaknesses(side_of_layer(CONV, ((1, 4, 5, 5),)), output, {"weight": gradient})))


def test_outputs_that_show_nothing_are_weak() -> None:
    gradient = torch.arange(1.0, 145.0).reshape(4, 4, 3, 3)
    assert said_of(torch.zeros(1, 4, 3, 3), gradient) == ["weak: all outputs are zero"]
    assert said_of(torch.full((1, 4, 3, 3), 7.0), gradient) == ["weak: all outputs are the same number"]
    assert said_of(torch.arange(36.0), gradient) == []


@pytest.mark.parametrize(
    ("symmetric", "note"),
    [
        (lambda g: g + g.transpose(2, 3), "weak: kh and kw of weight could be swapped without a difference"),
        (lambda g: g + g.transpose(0, 1), "weak: o and i of weight could be swapped without a difference"),
        (lambda g: g + g.flip(3), "weak: weight could be flipped along kw without a difference"),
    ],
)
def test_equal_axes_that_the_input_does_not_tell_apart_are_weak(symmetric: object, note: str) -> None:
    """The gradient of a weight shows all that an input can: what is symmetric in it cannot be told."""
    gradient = torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    assert callable(symmetric)
    assert said_of(torch.arange(36.0), symmetric(gradient)) == [note]
