"""Fans and initial values are torch's, and what is said of both sides holds for real modules."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import init

from convcheck.calculator.counts import alone, weights_of
from convcheck.calculator.side_weights import Parameter, Weights
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import claims_of
from convcheck.config.case import Case
from convcheck.layers import ConvTranspose, Layer, MultiheadAttention, parse_layer
from convcheck.layers.initialisation import fans
from convcheck.modules.build import build
from tests.strategies.chains import patches
from tests.strategies.layers import FAMILIES


def drawn_as_said(values: torch.Tensor, told: Parameter) -> None:
    """Check values that torch drew. A thousand of them reach 90 % of a bound, but for a chance of 0.9^1000 < 1e-45."""
    if told.init == "ones":
        assert torch.equal(values, torch.ones_like(values))
    elif told.init == "zeros":
        assert not values.any()
    elif told.init == "uniform":
        assert told.bound is not None
        # Bounds are rounded to float32 when they are drawn within.
        assert float(values.abs().max()) <= told.bound * (1 + torch.finfo(values.dtype).eps)
        assert float(values.abs().max()) > 0.9 * told.bound
    else:
        assert told.init == "normal"
        assert told.std is not None
        # The mean square of n values has a standard deviation of sqrt(2 / n).
        assert abs(float(values.square().mean()) / told.std**2 - 1) < 6 * math.sqrt(2 / values.numel())


LARGE = [
    "Conv1d(64, 100, 5)",
    "Conv2d(16, 1000, 3, groups=4)",
    "Conv3d(6, 1000, (1, 2, 3))",
    "ConvTranspose1d(64, 1000, 5)",
    "ConvTranspose2d(48, 2000, 3, groups=2)",
    "ConvTranspose3d(6, 1000, (1, 2, 3))",
    "Linear(300, 1000)",
    "Linear(3000, 20, bias=False)",
    "BatchNorm2d(2000)",
    "BatchNorm1d(2000, bias=False)",
    "MultiheadAttention(400, 4)",
    "MultiheadAttention(400, 4, kdim=30, vdim=50)",
    "MultiheadAttention(1200, 4, add_bias_kv=True)",
    "Patchify(8, 1200, 2, 4)",
    "Patchify(8, 1200, 2, 4, weight_init='fan_in')",
    "Unpatchify(600, 1200, 1, 4, weight_init='fan_in')",
    "Unpatchify(600, 1200, 1, 4, weight_init='zeros')",
    "Sequential(Conv2d(16, 1000, 3), BatchNorm2d(1000))",
]


@pytest.mark.parametrize("text", LARGE)
def test_torch_fills_parameters_as_is_said(text: str) -> None:
    torch.manual_seed(0)
    layer = parse_layer(text)
    # Ours draws attention's biases, which torch starts at 0.
    attends = isinstance(layer, MultiheadAttention)
    module: nn.Module = nn.MultiheadAttention(**layer.arguments()) if attends else build(layer)  # type: ignore[arg-type]
    told = {each.name: each for each in alone([parse_layer(text)], [None])[0].parameters.reference or ()}
    if text.startswith("Sequential"):
        told = {
            f"{number}.{each.name}": each
            for number, row in enumerate(alone([layer], [None]))
            for each in row.parameters.reference or ()
        }
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == {n: p.shape for n, p in told.items()}
    for name, parameter in module.named_parameters():
        if parameter.numel() >= 1000 or told[name].init in ("ones", "zeros"):
            drawn_as_said(parameter.detach(), told[name])


def test_a_short_bias_is_drawn_within_the_bound_of_its_weight() -> None:
    torch.manual_seed(0)
    layer = parse_layer("ConvTranspose2d(8, 2, 3)")
    bound = layer.initial_values()["bias"].bound
    assert bound == layer.initial_values()["weight"].bound == 1 / math.sqrt(2 * 3 * 3)
    seen = torch.cat([build(layer).get_parameter("bias").detach() for _ in range(500)])
    assert 0.9 * bound < float(seen.abs().max()) <= bound * (1 + torch.finfo(seen.dtype).eps)


@given(st.one_of(*FAMILIES.values(), patches("Patchify").map(lambda drawn: drawn[0])))
def test_fans_are_torchs_and_every_parameter_has_a_start(layer: Layer) -> None:
    assert layer.initial_values().keys() == layer.parameters().keys()
    for shape in layer.parameters().values():
        if len(shape) < 2:
            assert fans(shape) is None
            with pytest.raises(ValueError, match="fewer than 2"):
                init._calculate_fan_in_and_fan_out(torch.empty(shape))
        else:
            assert fans(shape) == init._calculate_fan_in_and_fan_out(torch.empty(shape))


def test_fan_in_of_a_transposed_layer_is_not_the_number_of_inputs_of_an_output() -> None:
    layer = parse_layer("ConvTranspose2d(64, 32, 2, stride=2)")
    assert isinstance(layer, ConvTranspose)
    inputs = layer.in_channels * math.prod(spread.overlap() for spread in layer.spreads)
    assert fans(layer.parameters()["weight"]) == (32 * 2 * 2, 64 * 2 * 2)
    assert inputs == 64


def pair(layer: str, rewrite: str, shape: tuple[int, ...] | None = None) -> Weights:
    parsed = parse_layer(layer)
    inputs = (shape,) if shape else catalogue()[rewrite].example_inputs or parsed.example_inputs()
    (found,) = weights_of(claims_of([Case("case", parsed, inputs, (rewrite,))]))
    assert found.reason is None
    return found


@pytest.mark.parametrize("name", catalogue())
def test_what_torch_fills_in_a_candidate_is_known_without_building_it(name: str) -> None:
    rewrite = catalogue()[name]
    layer = parse_layer(rewrite.example)
    module = rewrite.build(layer, rewrite.example_inputs or layer.example_inputs())
    torchs = (nn.modules.conv._ConvNd, nn.Linear)
    told = pair(rewrite.example, name).parameters.candidate or ()
    assert {each.name for each in told} == {path for path, _ in module.named_parameters()}
    for each in told:
        owner = module.get_submodule(each.name.rpartition(".")[0])
        assert (each.init is not None) == isinstance(owner, torchs)
        if isinstance(owner, torchs):
            assert each.bound is not None
            parameter = module.get_parameter(each.name).detach()
            assert float(parameter.abs().max()) <= each.bound * (1 + torch.finfo(parameter.dtype).eps)


START = {
    "a patch projection by Linear": ("Conv2d(3, 64, 16, stride=16)", "patchify-linear", True),
    "a patch projection by a 1x1 convolution": ("Conv2d(3, 64, 16, stride=16)", "patchify-conv1x1", True),
    "the same without a bias": ("Conv2d(3, 64, 16, stride=16, bias=False)", "patchify-linear", True),
    "frames in channels": ("Conv3d(3, 8, 2, stride=2)", "time-in-channels", True),
    "channels last": ("Patchify(3, 8, 2, 4)", "patchify-unfold", True),
    "channels last, zero": ("Patchify(3, 8, 2, 4, weight_init='zeros')", "patchify-unfold", False),
    "a transposed convolution's 1x1 twin": ("ConvTranspose2d(64, 32, 2, stride=2)", "conv1x1-unpatchify", False),
    "the same without a bias, whose copies differ": (
        "ConvTranspose2d(64, 32, 2, stride=2, bias=False)",
        "conv1x1-unpatchify",
        False,
    ),
    # 8 * 2 * 2 inputs of the transposed one's fan are as many as the twin's 32 channels.
    "a twin whose fans happen to be the same": (
        "ConvTranspose2d(32, 8, 2, stride=2, bias=False)",
        "conv1x1-unpatchify",
        True,
    ),
    "zeros put between taps": ("Conv2d(4, 8, 3, dilation=2)", "zerostuffed-conv", False),
    "zeros put between groups": ("Conv2d(4, 8, 3, groups=2)", "blockdiagonal-conv", False),
    "layers merged": ("Sequential(Conv2d(3, 4, 1), Conv2d(4, 8, 3))", "merge-convs", False),
    "attention, whose projections are drawn as one": ("MultiheadAttention(16, 4)", "multihead-sum", False),
    "a class that is filled by hand": ("Conv2d(4, 8, 3)", "fft", None),
    "nothing to draw": ("PixelShuffle(2)", "rearranged", None),
}


@pytest.mark.parametrize(("layer", "rewrite", "same"), START.values(), ids=START)
def test_whether_both_sides_start_from_one_distribution(layer: str, rewrite: str, same: bool | None) -> None:
    assert pair(layer, rewrite).same_start is same


def repeats(values: torch.Tensor) -> bool:
    """Tell whether many values are there more than once; some are by chance, having 24 bits each."""
    return len(values.unique()) < 0.9 * values.numel()


@pytest.mark.parametrize(
    ("layer", "rewrite"), [(layer, rewrite) for layer, rewrite, same in START.values() if same is not None]
)
def test_moved_weights_have_the_spread_of_the_candidates_own_only_if_the_start_is_the_same(
    layer: str, rewrite: str
) -> None:
    torch.manual_seed(0)
    parsed, found = parse_layer(layer), pair(layer, rewrite)
    shapes = parsed.example_inputs()
    way = catalogue()[rewrite].transplant(parsed, shapes)
    moved: dict[str, list[torch.Tensor]] = {}
    drawn: dict[str, list[torch.Tensor]] = {}
    for _ in range(40):
        reference, candidate = build(parsed), catalogue()[rewrite].build(parsed, shapes)
        state = {name: value.detach() for name, value in reference.state_dict().items()}
        for name, value in way.forward(state).items():
            moved.setdefault(name, []).append(value)
        for name, parameter in candidate.named_parameters():
            drawn.setdefault(name, []).append(parameter.detach())
    # Also values that must be alike, such as copies of a bias, tell the two apart.
    alike = all(
        math.isclose(float(torch.stack(moved[n]).std()), float(torch.stack(drawn[n]).std()), rel_tol=0.1)
        and repeats(moved[n][0]) == repeats(drawn[n][0])
        for n in moved
    )
    assert alike == found.same_start
