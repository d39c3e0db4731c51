"""Of a wrong candidate, what can be seen of the fault is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import Layer, parse_layer
from convcheck.proof.evidence.differences import describe_differences
from convcheck.proof.verification import verify
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape

Spoil = Callable[[Tensor, Mapping[str, Tensor]], Tensor]

CONV = parse_layer("Conv2d(4, 6, 3, stride=2, padding=1, groups=2)")
TRANSPOSED = parse_layer("ConvTranspose2d(4, 6, 3, stride=2, padding=1)")
CUBIC = parse_layer("Conv3d(2, 3, 2)")
LINEAR = parse_layer("Linear(4, 5)")


def per_channel(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]


def where(*index: object) -> Spoil:
    """Spoil some of the outputs by a number that is another one everywhere."""

    def spoil(y: Tensor, _parameters: Mapping[str, Tensor]) -> Tensor:
        y = y.clone()
        y[index] += torch.arange(1, y[index].numel() + 1).reshape(y[index].shape)
        return y

    return spoil


def side(layer: Layer, output: Tensor) -> Side:
    """Return a side that names the axes of an output as the layer does."""
    axes, periods, sizes = layer.axes(output.ndim, "o"), layer.axis_periods(), layer.axis_sizes()
    return Side("drawn", nn.Identity(), (), {}, 2, output_axes=axes, axis_periods=periods, axis_sizes=sizes)


ALL = slice(None)

SEEN: dict[str, tuple[Layer, Spoil, tuple[str, ...]]] = {
    "zeros": (CONV, lambda y, _: torch.zeros_like(y), ("the candidate gives zeros only",)),
    "twice": (CONV, lambda y, _: 2 * y, ("the candidate is the reference times 2 everywhere: a scale",)),
    "a third": (CONV, lambda y, _: y / 3, ("the candidate is the reference times 0.333333333333 everywhere: a scale",)),
    "negative": (LINEAR, lambda y, _: -y, ("the candidate is the reference times -1 everywhere: a scale",)),
    "flipped": (CONV, lambda y, _: y.flip(-1), ("the candidate is the reference, flipped along w",)),
    "flipped in time": (CUBIC, lambda y, _: y.flip(-3), ("the candidate is the reference, flipped along t",)),
    "cropped late": (
        CONV,
        lambda y, _: y.roll(1, -2),
        ("the candidate is the reference, shifted by 1 along h: a crop or padding is off by 1",),
    ),
    "cropped early": (
        CONV,
        lambda y, _: torch.cat([y[..., 2:], 0 * y[..., :2]], -1),
        ("the candidate is the reference, shifted by -2 along w: a crop or padding is off by 2",),
    ),
    "height for width": (
        CONV,
        lambda y, _: y.transpose(-1, -2),
        ("the candidate is the reference with h and w swapped",),
    ),
    "channels in another order": (
        CONV,
        lambda y, _: y[:, [0, 2, 1, 3, 4, 5]],
        ("o is in another order: o = 1 holds what belongs to o = 2",),
    ),
    "batch in another order": (
        CONV,
        lambda y, _: y[[1, 2, 0]],
        ("b is in another order: b = 0 holds what belongs to b = 1",),
    ),
    "another layout": (
        CONV,
        lambda y, _: y.movedim(1, -1).reshape(y.shape),
        ("the candidate holds the same numbers in another order",),
    ),
    "no bias": (
        CONV,
        lambda y, p: y - per_channel(p["bias"]),
        ("the candidate leaves out bias",),
    ),
    "bias added twice": (
        LINEAR,
        lambda y, p: y + p["bias"],
        ("the candidate adds bias twice",),
    ),
    "bias in another order": (
        CONV,
        lambda y, p: y + per_channel(p["bias"].flip(0) - p["bias"]),
        ("the candidate adds bias in another order",),
    ),
    "one channel": (CONV, where(ALL, 4), ("outputs differ only in channel 4",)),
    "one group": (CONV, where(ALL, slice(3, 6)), ("outputs differ only in the channels of group 1",)),
    "the last row": (CONV, where(ALL, ALL, -1), ("outputs differ only at the last 1 of 5 along h",)),
    "a frame around": (
        CONV,
        lambda y, _: y * torch.nn.functional.pad(torch.full((3, 3), 1.0), (1, 1, 1, 1), value=3.0),
        (
            "outputs differ only at the first 1 and the last 1 of 5 along h, "
            "or at the first 1 and the last 1 of 5 along w",
        ),
    ),
    "one phase": (
        TRANSPOSED,
        where(ALL, ALL, slice(1, None, 2), slice(0, None, 2)),
        ("outputs differ only at h % 2 = 1, at w % 2 = 0",),
    ),
    "one entry": (
        CONV,
        where(1, 2, 3, 1),
        ("outputs differ only at b = 1, in channel 2, at h = 3, at w = 1",),
    ),
}


@pytest.mark.parametrize(("layer", "spoil", "said"), SEEN.values(), ids=SEEN.keys())
def test_what_can_be_seen_is_said(layer: Layer, spoil: Spoil, said: tuple[str, ...]) -> None:
    space = {0: (), 2: (5, 5), 3: (4, 5, 3)}[layer.dims]
    shape = (
        (3, *space, 5) if not space else (3, layer.parameters()["weight"][0 if layer is not TRANSPOSED else 1], *space)
    )
    reference = torch.randint(-1000, 1000, shape, generator=torch.Generator().manual_seed(1)).double()
    parameters = {"bias": torch.arange(10.0, 10 + layer.parameters()["bias"][0]).double()}
    assert (
        tuple(describe_differences(side(layer, reference), parameters, reference, spoil(reference, parameters))) == said
    )


@given(
    layer=st.sampled_from([CONV, TRANSPOSED, CUBIC, LINEAR, parse_layer("Flatten()"), parse_layer("Conv1d(1, 1, 1)")]),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    values=st.sampled_from([1, 2, 1000]),
)
def test_any_two_outputs_can_be_described(layer: Layer, shape: list[int], seed: int, values: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    sides = torch.randint(-values, values + 1, (2, *shape), generator=generator).double()
    said = list(describe_differences(side(layer, sides[0]), {"bias": sides[0].flatten()}, *sides))
    assert all(sentence and "; " not in sentence for sentence in said)


def test_the_command_line_says_what_was_seen_of_a_wrong_rewrite() -> None:
    right = catalogue()["subsampled-conv"]
    layer = parse_layer("Conv2d(3, 4, 3, stride=2)")

    def one_phase_on(conv: Layer, *shapes: Shape) -> nn.Module:
        module = right.candidate(conv, *shapes)
        module.register_forward_hook(lambda _module, _inputs, output: Shifted()(output))
        assert isinstance(module, nn.Module)
        return module

    wrong = dataclasses.replace(right, candidate=one_phase_on)
    result = verify(Claim(Case("case", layer, layer.example_inputs()), "subsampled-conv", wrong, ()))
    assert (result.reason or "").startswith("the candidate is the reference, shifted by 1 along h: a crop or padding")
    assert result.suggestion is None


class Shifted(nn.Module):
    """A fault behind a candidate: all rows one too far down."""

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(1, -2)
