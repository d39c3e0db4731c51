"""A case that could not have told a wrong rewrite from the right one is called weak, and a strong one is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import convcheck
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.layers import parse_layer, parse_shapes
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import strength
from convcheck.proof.evidence.strength import observations, weaknesses
from convcheck.proof.given_case import InputLike
from convcheck.proof.observations import Observation
from convcheck.proof.pair import Pair
from convcheck.sides.sample import Sample
from convcheck.sides.samples import masks
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
        "no output has a gradient in input",
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
ASYMMETRIC = torch.arange(1.0, 145.0).reshape(4, 4, 3, 3)


def observation(output: Tensor, gradient: Tensor) -> Observation:
    return Observation(Sample((), {}), output, torch.ones_like(output), {"weight": gradient})


def said_of(*observed: tuple[Tensor, Tensor]) -> list[str]:
    """Return the weaknesses that outputs and gradients of the weight show."""
    observations = (observation(output, gradient) for output, gradient in observed)
    return list(map(str, weaknesses(side_of_layer(CONV, ((1, 4, 5, 5),)), observations)))


def test_outputs_that_show_nothing_are_weak() -> None:
    assert said_of((torch.zeros(1, 4, 3, 3), ASYMMETRIC)) == ["weak: all outputs are zero"]
    assert said_of((torch.full((1, 4, 3, 3), 7.0), ASYMMETRIC)) == ["weak: all outputs are the same number"]
    assert said_of((torch.arange(36.0), ASYMMETRIC)) == []


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
    output = torch.arange(36.0)
    assert said_of((output, symmetric(gradient)), (output, symmetric(gradient.square()))) == [note]
    assert said_of((output, symmetric(gradient)), (output, gradient)) == []


def test_an_entry_that_is_zero_once_is_not_one_that_is_always() -> None:
    output, first, second = torch.arange(36.0), ASYMMETRIC.clone(), ASYMMETRIC.clone()
    first[0, 1, 0, 2] = second[3, 0, 1, 1] = 0
    assert said_of((output, first), (output, second)) == []
    first[3, 0, 1, 1] = 0
    [weak] = said_of((output, first), (output, second))
    assert weak.startswith("weak: only 143 of 144 entries of weight ever meet an input")


class Drawn:
    """Observations that count how many of them were made."""

    made = 0

    def __iter__(self) -> Iterator[Observation]:
        while True:
            self.made += 1
            yield observation(torch.arange(36.0), ASYMMETRIC)


def test_one_observation_is_enough_where_it_shows_no_weakness() -> None:
    drawn = Drawn()
    assert not list(weaknesses(side_of_layer(CONV, ((1, 4, 5, 5),)), drawn))
    assert drawn.made == 1


def pair_of(layer: str, shape: InputLike | None, rewrite: str) -> Pair:
    parsed = parse_layer(layer)
    shapes = parse_shapes(shape) if shape is not None else parsed.example_inputs()
    [claim] = claims_of([Case("case", parsed, shapes, (rewrite,))])
    return build_pair(claim)


@pytest.mark.parametrize(("layer", "shape", "rewrite"), STRONG.values(), ids=STRONG.keys())
def test_no_seed_makes_a_strong_case_weak_even_where_coincidences_are_common(
    monkeypatch: pytest.MonkeyPatch, layer: str, shape: InputLike | None, rewrite: str
) -> None:
    """Of integers from -2 to 2 every fifth is 0, and many sums of them are equal."""
    monkeypatch.setattr(strength, "root", lambda *_: 2)
    pair = pair_of(layer, shape, rewrite)
    for seed in range(10):
        assert list(map(str, weaknesses(pair.reference, observations(pair, seed)))) == []


@pytest.mark.parametrize(("layer", "shape", "rewrite", "note"), WEAK.values(), ids=WEAK.keys())
def test_every_seed_shows_the_same_weaknesses(layer: str, shape: InputLike | None, rewrite: str, note: str) -> None:
    pair = pair_of(layer, shape, rewrite)
    shown = {tuple(map(str, weaknesses(pair.reference, observations(pair, seed)))) for seed in range(5)}
    assert len(shown) == 1
    assert any(text.startswith(f"weak: {note}") for text in shown.pop())


@pytest.mark.kernels
def test_a_gradient_that_is_nothing_but_rounding_is_no_entry_that_meets_no_input() -> None:
    """That of a key's bias: it moves all scores of a query alike, which a softmax takes back."""
    pair = pair_of("MultiheadAttention(4, 2)", ((2, 1, 4), (3, 1, 4), (3, 1, 4)), "multihead-sum")
    observed = [next(observations(pair, seed)).gradients["in_proj_bias"] for seed in range(40)]
    assert any((gradient == 0).any() for gradient in observed), "the test shows nothing without a chance zero"
    for seed in range(40):
        assert not [
            str(weak) for weak in weaknesses(pair.reference, observations(pair, seed)) if "ever meet" in str(weak)
        ]


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("columns", [1, 2, 3, 5])
def test_a_mask_shows_two_keys_and_hides_one_whatever_the_seed(rows: int, columns: int) -> None:
    for seed in range(20):
        mask = masks((2, rows, columns), torch.Generator().manual_seed(seed))
        assert mask[..., 0].all()
        assert (~mask).any(-1).any(-1).all() == (columns > 1)
        if rows > 1:
            assert mask.any(-2).all()
        if rows > 1 < columns or columns > 2:
            assert (mask.sum(-1) > 1).any(-1).all()
