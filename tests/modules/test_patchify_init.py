"""The weights that Patchify and Unpatchify start from: drawn as their docstrings say."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from convcheck import Patchify, Unpatchify

BOTH = pytest.mark.parametrize("module", [Patchify, Unpatchify])
TORCHS = {
    (Patchify, 1): nn.Conv1d,
    (Patchify, 2): nn.Conv2d,
    (Patchify, 3): nn.Conv3d,
    (Unpatchify, 1): nn.ConvTranspose1d,
    (Unpatchify, 2): nn.ConvTranspose2d,
    (Unpatchify, 3): nn.ConvTranspose3d,
}


@BOTH
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_default_draws_what_torchs_own_layer_draws(module: type[nn.Module], dims: int) -> None:
    torch.manual_seed(3)
    expected = TORCHS[module, dims](5, 7, 2, stride=3).state_dict()
    torch.manual_seed(3)
    ours = module(5, 7, dims, 2, stride=3)
    assert list(ours.state_dict()) == ["conv.weight", "conv.bias"]
    assert all(torch.equal(ours.state_dict()[f"conv.{name}"], drawn) for name, drawn in expected.items())
    torch.manual_seed(3)
    ours.reset_parameters()
    assert all(torch.equal(ours.state_dict()[f"conv.{name}"], drawn) for name, drawn in expected.items())


@BOTH
@pytest.mark.parametrize("bias", [True, False])
def test_zeros_make_the_output_exactly_zero(module: type[nn.Module], bias: bool) -> None:
    zeros = module(2, 3, 2, 2, bias=bias, weight_init="zeros")
    x = torch.randn(1, 4, 4, 2)
    assert not zeros(x).any()
    zeros.conv.weight.data.fill_(1)
    assert zeros(x).any()
    zeros.reset_parameters()
    assert not zeros(x).any()


RARE = math.log(2 / 1e-9)
"""A sound draw falls out of one of the intervals below with a probability of at most 1e-9."""


def chi_square(n: int) -> tuple[float, float]:
    """Return an interval for a mean of n squared normals (Laurent and Massart 2000, lemma 1, both tails)."""
    spread = 2 * math.sqrt(RARE / n)
    return 1 - spread, 1 + spread + 2 * RARE / n


@BOTH
def test_fan_in_draws_a_normal_of_the_standard_deviation_that_is_promised(module: type[nn.Module]) -> None:
    torch.manual_seed(0)
    drawn = module(48, 96, 2, (4, 2), weight_init="fan_in")
    assert not drawn.conv.bias.any()
    weight = drawn.conv.weight.detach().double().flatten()
    std = math.sqrt(2 / (48 * 4 * 2))
    low, high = chi_square(weight.numel())
    assert low < weight.square().mean() / std**2 < high
    # Normal, and not uniform of the same deviation, whose share is 1 / sqrt(3): Hoeffding's bound.
    share, slack = (weight.abs() < std).double().mean(), math.sqrt(RARE / (2 * weight.numel()))
    assert abs(share - math.erf(1 / math.sqrt(2))) < slack < math.erf(1 / math.sqrt(2)) - 1 / math.sqrt(3)
    before = drawn.conv.weight.detach().clone()
    drawn.reset_parameters()
    assert not torch.equal(drawn.conv.weight, before)


SIZE = 2048


def assert_variance(outputs: Tensor, products: int, promised: float) -> None:
    """Check outputs that share one set of weights and no input: a mean of squares times a mean of squares."""
    (low, high), (lowest, highest) = chi_square(products), chi_square(outputs.numel())
    assert low * lowest < outputs.double().square().mean() / promised < high * highest


def test_fan_in_gives_patchify_an_output_variance_of_two() -> None:
    torch.manual_seed(0)
    patchify = Patchify(SIZE // 16, 1, 2, 4, weight_init="fan_in")
    with torch.no_grad():
        outputs = patchify(torch.randn(SIZE // 64, 32, 32, SIZE // 16))
    assert_variance(outputs, SIZE, 2)


@pytest.mark.parametrize(
    ("dims", "patch", "stride", "over"),
    [(1, 4, 4, 1), (2, 2, 2, 1), (1, 4, 2, 2), (1, 8, 2, 4), (2, 4, 2, 4)],
    ids=["tiles", "tiles in 2-D", "two over each", "four over each", "four over each in 2-D"],
)
def test_fan_in_gives_unpatchify_two_for_every_patch_over_it_by_the_volume(
    dims: int, patch: int, stride: int, over: int
) -> None:
    torch.manual_seed(0)
    patches = patch // stride
    unpatchify = Unpatchify(SIZE // over, 1, dims, patch, stride, weight_init="fan_in")
    with torch.no_grad():
        outputs = unpatchify(torch.randn(SIZE, *[patches] * dims, SIZE // over))
    # The one position where all patches of an image meet; images share no input.
    middle = outputs[(slice(None), *[(patches - 1) * stride] * dims, 0)]
    assert_variance(middle, SIZE, 2 * over / patch**dims)
