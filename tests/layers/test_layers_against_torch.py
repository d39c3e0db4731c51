"""Shapes, weights and costs are what real torch does on the CPU: both accept and agree, or both refuse."""

import math
import re
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from convcheck.calculator.unread_inputs import unread_inputs
from convcheck.errors import LayerError, ShapeError
from convcheck.layers import Fold, Layer, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.lengths import UndecidedError
from convcheck.sizes.patterns import Shapes
from tests.strategies.layers import (
    FAMILIES,
    batch_norms,
    columns,
    convs,
    flattens,
    pixel_shuffles,
    pools,
    shapes,
    transposed,
)

of_every_family = pytest.mark.parametrize("layers", FAMILIES.values(), ids=FAMILIES)

without_weights = st.one_of(pixel_shuffles(), columns(), pools(), flattens())


def output_of(module: torch.nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    """Return the output in eval mode; the values of it where there are indices, too."""
    output: torch.Tensor | tuple[torch.Tensor, torch.Tensor] = module.eval()(*inputs)
    return output[0] if isinstance(output, tuple) else output


def run(layer: Layer, shapes: Shapes) -> torch.Tensor | None:
    """Return torch's output, or None where torch refuses or (in one dimension only) makes an empty one."""
    try:
        with torch.no_grad():
            output = output_of(build(layer), *map(torch.ones, shapes))
    except (RuntimeError, IndexError, ValueError):
        return None
    return output if output.numel() else None


@of_every_family
@given(st.data())
def test_output_shape_is_torchs_or_both_refuse(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers)
    drawn = data.draw(shapes(layer))
    output = run(layer, drawn)
    if output is None:
        with pytest.raises(ShapeError):
            layer.output_shape(*drawn)
    else:
        assert layer.output_shape(*drawn) == tuple(output.shape)


@of_every_family
@given(st.data())
def test_parameters_and_statistics_are_torchs(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers)
    module = build(layer)
    assert layer.parameters() == {name: tuple(p.shape) for name, p in module.named_parameters()}
    kept = {name: tuple(b.shape) for name, b in module.named_buffers() if b.is_floating_point()}
    assert {name: statistic.shape for name, statistic in layer.statistics().items()} == kept
    variances = {name: statistic.eps for name, statistic in layer.statistics().items() if statistic.eps is not None}
    assert variances == {name: module.eps for name in kept if name.endswith("_var")}


@of_every_family
@given(st.data())
def test_macs_are_half_of_torchs_flops(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers)
    drawn = data.draw(shapes(layer))
    try:
        macs = layer.macs(*drawn)
    except ShapeError:
        return
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(layer).eval()(*map(torch.ones, drawn))
    assert 2 * macs == counter.get_total_flops()


@given(st.one_of(convs(), transposed()), st.data())
def test_dropped_positions_are_those_without_a_gradient(layer: Layer, data: st.DataObject) -> None:
    drawn = data.draw(shapes(layer))
    try:
        dropped = unread_inputs(layer, *drawn)
    except ShapeError:
        return
    module = build(layer)
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)
    (shape,) = drawn
    x = torch.ones(shape, requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None
    if not x.grad.any():
        # Where one axis is never read, no position of any axis is.
        assert any(lost == length for lost, length in zip(dropped, shape[-layer.dims :], strict=True))
        return
    for axis, lost in zip(range(-layer.dims, 0), dropped, strict=True):
        others = [other for other in range(x.dim()) if other != x.dim() + axis]
        read = x.grad.sum(others).nonzero().flatten()
        assert lost == shape[axis] - 1 - (int(read.max()) if len(read) else -1)


@given(st.one_of(without_weights, batch_norms()), st.data())
def test_dropped_positions_are_those_that_change_nothing(layer: Layer, data: st.DataObject) -> None:
    (shape,) = data.draw(shapes(layer))
    try:
        lost = unread_inputs(layer, shape)
    except ShapeError:
        return
    module = build(layer)
    x = torch.rand(shape)
    before = output_of(module, x)

    def changes(axis: int, start: int) -> bool:
        altered = x.clone()
        part = altered.narrow(axis, start, shape[axis] - start)
        # Each larger than all others, so that every maximum takes it.
        part += 1e6 * (1 + torch.rand(part.shape))
        return not torch.equal(before, output_of(module, altered))

    for axis, trailing in enumerate(lost, start=len(shape) - len(lost)):
        assert not changes(axis, shape[axis] - trailing)
        # Where one axis is never read, no position of any axis is.
        if not any(length == all_of_it for length, all_of_it in zip(shape[-len(lost) :], lost, strict=True)):
            assert changes(axis, shape[axis] - trailing - 1)


@pytest.mark.kernels
@given(without_weights, st.data())
def test_half_precision_is_rounded_as_often_as_is_said(layer: Layer, data: st.DataObject) -> None:
    (shape,) = data.draw(shapes(layer))
    # torch has no half precision for this one on the CPU.
    if layer.kind == "AvgPool3d" or run(layer, (shape,)) is None:
        return
    module, sums = build(layer), layer.roundings().sums
    x = torch.rand(shape, dtype=torch.bfloat16) - 0.5
    seen = output_of(module, x).double()
    exact, largest = output_of(module, x.double()), output_of(module, x.double().abs())
    if not sums:
        assert torch.equal(seen, exact)
        return
    unit = torch.finfo(torch.bfloat16).eps / 2
    # A stored partial sum is no larger than the sum of magnitudes, and what was rounded before may be rounded up.
    size = exact.abs() if sums == 1 else largest.abs() * (1 + unit) ** sums
    # An average is a sum in float32.
    apart = 0.0 if isinstance(layer, Fold) else math.prod(shape) * torch.finfo(torch.float32).eps
    assert bool(((seen - exact).abs() <= sums * unit * size + apart * largest.abs()).all())


@pytest.mark.kernels
@given(without_weights.filter(lambda layer: layer.degree() == 1), st.data())
def test_of_degree_1_is_what_keeps_sums(layer: Layer, data: st.DataObject) -> None:
    (shape,) = data.draw(shapes(layer))
    if run(layer, (shape,)) is None:
        return
    x, y = torch.rand(2, *shape, dtype=torch.float64)
    module = build(layer)
    together, apart = output_of(module, x - y), output_of(module, x) - output_of(module, y)
    # Three sums of K values up to 1 are rounded at each of K - 1 additions, each by half an eps of K at most, and at a
    # quotient; and so is each of K differences: (3 K^2 + K) / 2 eps in all.
    atol = 2 * math.prod(shape) ** 2 * torch.finfo(x.dtype).eps
    assert torch.allclose(together, apart, rtol=0, atol=atol)


def test_a_maximum_is_no_polynomial() -> None:
    layer = parse_layer("MaxPool1d(2)")
    x = torch.tensor([[-1.0, 1.0]])
    assert layer.degree() is None
    # Of degree 1 in every direction, it would be odd.
    assert output_of(build(layer), -x) != -output_of(build(layer), x)


@given(batch_norms().filter(lambda layer: bool(layer.statistics())))
def test_the_degree_of_a_normalisation_counts_weight_and_root(layer: Layer) -> None:
    """As all variables grow by t, the output is a polynomial of this degree in t: so are its differences."""
    module, degree = build(layer, torch.float64).eval(), layer.degree()
    assert degree is not None
    eps = layer.statistics()["running_var"].eps
    assert eps is not None
    (shape,) = layer.example_inputs()
    values = []
    for t in range(1, degree + 3):
        # Only 1 / sqrt(variance + eps) enters the output, and is t here.
        filled = {name: torch.full(own, float(t), dtype=torch.float64) for name, own in layer.parameters().items()}
        filled["running_mean"] = torch.full(shape[1:2], -float(t), dtype=torch.float64)
        filled["running_var"] = torch.full(shape[1:2], 1.0 / t**2 - eps, dtype=torch.float64)
        x = torch.full(shape, float(t), dtype=torch.float64)
        values.append(float(torch.func.functional_call(module, filled, x).detach().flatten()[0]))
    differences = torch.tensor(values, dtype=torch.float64)
    for _ in range(degree):
        differences = differences.diff()
    # The last ones of t^d, times 2 for input and mean, are 2 * d!.
    assert torch.allclose(differences, torch.full((2,), 2.0 * math.factorial(degree), dtype=torch.float64))


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("Conv1d(1, 1, 1, stride=1000000000)", 10**9),
        ("ConvTranspose1d(1, 1, 1, padding=1000000000)", 9 * 10**9),
    ],
)
def test_of_sizes_without_end_it_is_not_said_what_is_never_read(text: str, length: int) -> None:
    """Positions are followed one by one: without a bound, these would run for hours."""
    with pytest.raises(UndecidedError, match="takes too long"):
        unread_inputs(parse_layer(text), (1, 1, length))


@of_every_family
@given(st.data())
def test_the_input_that_is_made_up_fits_and_is_not_trivial(
    layers: st.SearchStrategy[Layer], data: st.DataObject
) -> None:
    layer = data.draw(layers)
    assert run(layer, layer.example_inputs()) is not None
    assert math.prod(layer.output_shape(*layer.example_inputs())) > 1


REFUSED_SHAPES = {
    "channels that do not make squares": (
        "PixelShuffle(2)",
        (6, 3, 3),
        "upscale_factor^2, which is 4; [6, 3, 3] has 6",
    ),
    "no channels to shuffle": ("PixelShuffle(2)", (4, 3), "takes [..., channels, H, W]; [4, 3] has 2 axes"),
    "a length that does not split": (
        "PixelUnshuffle(2)",
        (1, 4, 5),
        "axis w of length 5 is not a multiple of downscale_",
    ),
    "a length that is no block": ("PixelUnshuffle(4)", (1, 3, 4), "downscale_factor, which is 4; 4 would be"),
    "an image without channels": ("Unfold(2)", (4, 4), "takes [batch, channels, H, W] or [channels, H, W]; [4, 4] has"),
    "an image without room": ("Unfold(3)", (1, 2, 3), "axis h of length 2 is too short: the kernel reaches over 3"),
    "rows that are no windows": (
        "Fold(4, 2)",
        (6, 9),
        "in multiples of the kernel's 4 positions; [6, 9] has 6 on axis 0",
    ),
    "columns that are no windows": ("Fold((4, 5), 2)", (4, 9), "takes 12 columns, one for each of the 3 * 4 windows"),
    "an image to be folded": (
        "Fold(4, 2)",
        (1, 1, 4, 9),
        "takes [batch, channels*4, 9] or [channels*4, 9]; [1, 1, 4, 9]",
    ),
    "no batch": ("BatchNorm2d(3)", (3, 4, 4), "takes [batch, 3, H, W]; [3, 4, 4] has 3 axes"),
    "a batch of images": ("BatchNorm1d(3)", (2, 3, 4, 4), "takes [batch, 3, L] or [batch, 3]; [2, 3, 4, 4] has 4 axes"),
    "other channels": ("BatchNorm1d(3)", (2, 4), "takes 3 channels, on axis 1; [2, 4] has 4"),
    "no variance": (
        "BatchNorm1d(3, track_running_stats=False)",
        (1, 3),
        "more than one value per channel; [1, 3] has one",
    ),
    "a window too many": (
        "MaxPool1d(4, 2)",
        (1, 3),
        "the kernel reaches over 4 positions, so the output would be empty",
    ),
    "a window too many, rounded up": ("MaxPool1d(4, 2, ceil_mode=True)", (1, 2), "; l must be at least 3"),
    "less than a kernel": (
        "AvgPool3d(2, padding=1)",
        (1, 1, 2, 2),
        "does not take even with padding; t must be at least 2",
    ),
    "an axis too few": ("Flatten()", (3,), "has start_dim=1, and [3] has 1 axis; it takes 2 of them or more"),
    "axes that cross": (
        "Flatten(2, -2)",
        (1, 2, 3),
        "in [1, 2, 3] these are 2 and 1, and the first must not come after",
    ),
    "another length": (
        "Unflatten(1, (2, 3))",
        (2, 5),
        "an axis of length 6 into [2, 3]; axis 1 of [2, 5] has length 5",
    ),
    "no multiple": (
        "Unflatten(-1, (2, -1))",
        (2, 5),
        "an axis of length a multiple of 2 into [2, -1]; axis 1 of [2, 5]",
    ),
}


@pytest.mark.parametrize(("text", "shape", "message"), REFUSED_SHAPES.values(), ids=REFUSED_SHAPES)
def test_shapes_that_are_refused_by_both(text: str, shape: tuple[int, ...], message: str) -> None:
    layer = parse_layer(text)
    with pytest.raises(ShapeError) as error:
        layer.output_shape(shape)
    assert message in str(error.value)
    assert run(layer, (shape,)) is None


def test_a_normalisation_without_numbers_takes_any_channels() -> None:
    layer = parse_layer("BatchNorm1d(2, affine=False, track_running_stats=False)")
    assert layer.output_shape((2, 5)) == (2, 5)
    assert run(layer, ((2, 5),)) is not None


def test_a_window_that_would_start_behind_the_input_is_left_out() -> None:
    layer = parse_layer("AvgPool1d(4, stride=4, padding=2, ceil_mode=True)")
    assert layer.output_shape((1, 9)) == (1, 3)
    output = run(layer, ((1, 9),))
    assert output is not None
    assert output.shape == (1, 3)


REFUSED_ON = {"PixelShuffle": (1, 4, 8, 8), "Fold": (1, 36, 36), "Unfold": (1, 3, 8, 8), "BatchNorm2d": (2, 3, 8, 8)}
"""Inputs that these layers take when their arguments are right; the others take one of three channels, 9 by 9."""


@pytest.mark.parametrize(
    "text",
    [
        "PixelShuffle(0)",
        "PixelShuffle(-1)",
        "PixelShuffle(4000000000)",
        "PixelShuffle(2.0)",
        "PixelUnshuffle(0)",
        "Unfold(0)",
        "Unfold((2,))",
        "Unfold(2, stride=0)",
        "Unfold(2, padding=-1)",
        "Unfold(2, dilation=0)",
        "Fold(8, 9)",
        "Fold((8,), 2)",
        "Fold(0, 2)",
        "BatchNorm2d(3, eps=-1)",
        "BatchNorm2d(-1)",
        "BatchNorm2d(3, 1e-5, 0.1, True, True, True)",
        "MaxPool2d(0)",
        "MaxPool2d(3, padding=2)",
        "MaxPool2d(3, padding=2, dilation=2)",
        "MaxPool2d(3, stride=0)",
        "MaxPool2d(3, dilation=0)",
        "MaxPool2d(3, ceil_mode=None)",
        "MaxPool2d((3, 3, 3))",
        "AvgPool2d(3, padding=2)",
        "AvgPool2d(3, divisor_override=0)",
        "AvgPool2d(3, count_include_pad=None)",
        "AvgPool1d(3, divisor_override=2)",
        "Flatten(3, 1)",
        "Flatten(-1, -2)",
        "Flatten(1.0)",
        "Unflatten(1, 3)",
        "Unflatten(1, ())",
        "Unflatten(1, (-1, -1))",
        "Unflatten(1, (3, 0))",
        "Unflatten(1, (-3, -1))",
        "Unflatten('channels', (3, 1))",
        "Conv2d(3, 8, 2, stride=2, padding='same')",
        "Conv2d(4, 6, 2, groups=4)",
        "Conv2d(3, 8, 2, groups=0)",
        "Conv2d(3, 8, 2, padding_mode='wrap')",
        "Conv2d(3, 8, 2, stride=0)",
        "Conv2d(3, 8, 2, padding=-1)",
        "Conv2d(3, 8, 2, dilation=0)",
        "ConvTranspose2d(3, 8, 3, stride=2, output_padding=2)",
        "ConvTranspose2d(3, 8, 3, output_padding=1)",
        "ConvTranspose2d(3, 8, 3, padding_mode='reflect')",
    ],
)
def test_what_we_refuse_torch_refuses_too(text: str) -> None:
    kind, _, arguments = text.partition("(")
    with pytest.raises(LayerError):
        parse_layer(text)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        eval(f"torch.nn.{kind}({arguments}").eval()(torch.ones(REFUSED_ON.get(kind, (1, 3, 9, 9))))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Conv2d(3, 4, 3, stride=(2,))", (3, 7, 7)),
        ("Conv2d(3, 4, 3, dilation=(2,))", (3, 7, 7)),
        ("Conv2d(3, 4, 3, padding=(1,))", (3, 7, 7)),
        ("Conv2d(3, 4, 3, 1, 0, 1, 1, 0)", (3, 7, 7)),
        ("ConvTranspose2d(3, 4, 3, stride=(2,), padding=(1,), output_padding=(1,))", (3, 7, 7)),
        ("ReLU(1)", (2,)),
        *((f"Softmax({dim})", (2, 3, 4, 5)[:rank]) for dim in ("None", "") for rank in range(1, 5)),
    ],
)
def test_what_torch_takes_of_odd_arguments_is_taken(text: str, shape: tuple[int, ...]) -> None:
    from torch import nn

    layer = parse_layer(text)
    module = eval(text, vars(nn))
    with warnings.catch_warnings():
        # torch warns that it chooses the axis itself.
        warnings.filterwarnings("ignore", "Implicit dimension choice", UserWarning)
        expected = module(torch.ones(shape))
        assert torch.equal(build(layer)(torch.ones(shape)), expected) or layer.parameters()
    assert layer.output_shape(shape) == tuple(expected.shape)
    assert layer.parameter_count() == sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        ("Hardtanh(2, 1)", "max_val is 1; it must be above min_val, which is 2"),
        ("Hardtanh(1, 1)", "max_val is 1; it must be above min_val, which is 1"),
        ("CELU(0)", "alpha is 0, and CELU divides by it"),
        ("Conv2d(3, 4, 3, padding=(1,), padding_mode='circular')", "torch pads the last axis only"),
    ],
)
def test_what_torch_refuses_of_odd_arguments_is_refused(text: str, legal: str) -> None:
    from torch import nn

    with pytest.raises(LayerError, match=re.escape(legal)):
        parse_layer(text)
    with pytest.raises((AssertionError, ZeroDivisionError, RuntimeError)):
        assert eval(text, vars(nn))(torch.ones(3, 7, 7)).shape == (4, 7, 7)
