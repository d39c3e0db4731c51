"""Chains of layers, operations of several inputs, channels-last layers: read, printed and costed as torch has them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from convcheck.calculator.unread_inputs import unread_inputs
from convcheck.errors import LayerError, ShapeError
from convcheck.layers import BatchNorm, Layer, MatMul, Sequential, accept, parse_layer
from convcheck.modules.build import build
from convcheck.sides.samples import ones
from convcheck.sides.side import side_of_layer
from convcheck.sizes.lengths import UndecidedError
from tests.strategies.chains import CHAINS, Drawn, layouts, patches, products, rearrangements, separable, two_convs

EVERY = {
    **CHAINS,
    "layouts": layouts(),
    "products": products(),
    "rearrangements": rearrangements(),
    "patchify": patches("Patchify"),
    "unpatchify": patches("Unpatchify"),
}

every_kind = pytest.mark.parametrize("drawn", EVERY.values(), ids=EVERY.keys())


@every_kind
@given(data=st.data())
def test_shape_parameters_and_macs_are_torchs(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, shapes = data.draw(drawn)
    module = build(layer, torch.float64).eval()
    assert layer.parameters() == {name: tuple(p.shape) for name, p in module.named_parameters()}
    at = ones(side_of_layer(layer, shapes)).mapped(torch.Tensor.detach)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = functional_call(module, dict(at.parameters), at.inputs)
    assert layer.output_shape(*shapes) == tuple(output.shape)
    counted = layer.macs(*shapes)
    if isinstance(layer, Sequential) and isinstance(layer.layers[-1], BatchNorm):
        # torch's counter leaves normalisations out.
        counted -= layer.layers[-1].macs(layer.through(shapes[0])[-2])
    if not (isinstance(layer, MatMul) and min(map(len, shapes)) == 1):
        # Nor does it know products with vectors.
        assert 2 * counted == counter.get_total_flops()


@every_kind
@given(data=st.data())
def test_what_is_printed_is_read_back_the_same(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, _ = data.draw(drawn)
    assert parse_layer(str(layer)) == layer
    assert " " not in layer.label()


@every_kind
@given(data=st.data())
def test_inputs_that_are_made_up_fit(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, shapes = data.draw(drawn)
    try:
        accept(layer, layer.example_inputs())
    except ShapeError:
        # The layer has no input at all that could be guessed; the one that was drawn is another matter.
        assert isinstance(layer, Sequential) or math.prod(layer.output_shape(*shapes))


def norms_in(drawn: Drawn) -> bool:
    """Tell whether there is a BatchNorm, the gradients of which cancel where all inputs are the same."""
    layer, _ = drawn
    assert isinstance(layer, Sequential)
    return len(layer.layers) > 2


@given(st.one_of(two_convs(), separable()).filter(lambda drawn: not norms_in(drawn)))
def test_positions_dropped_by_a_chain_are_those_that_have_no_gradient(drawn: Drawn) -> None:
    layer, (shape,) = drawn
    assert isinstance(layer, Sequential)
    module = build(layer, torch.float64)
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    x = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None
    dropped = unread_inputs(layer, shape)
    if not x.grad.any():
        assert any(lost == length for lost, length in zip(dropped, shape[-len(dropped) :], strict=True))
        return
    for axis, lost in zip(range(-len(dropped), 0), dropped, strict=True):
        others = [other for other in range(x.dim()) if other != x.dim() + axis]
        read = x.grad.sum(others).nonzero().flatten()
        unread = shape[axis] - 1 - int(read.max())
        assert lost == unread


@st.composite
def along_one_axis(draw: st.DrawFn) -> Layer:
    """Draw a layer of one channel, of which some read only padding and some leave holes."""
    kernel, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding, mode = draw(st.integers(0, 3)), draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    more = draw(st.integers(0, stride - 1))
    kinds = [
        f"Conv1d(1, 1, {kernel}, {stride}, {padding}, {dilation}, padding_mode={mode!r})",
        f"Conv1d(1, 1, {kernel}, padding='same', dilation={dilation})",
        f"ConvTranspose1d(1, 1, {kernel}, {stride}, {padding}, {more}, dilation={dilation})",
        f"AvgPool1d({kernel}, {stride}, {min(padding, kernel // 2)}, {draw(st.booleans())})",
        "BatchNorm1d(1)",
        "Softplus()",
    ]
    return parse_layer(draw(st.sampled_from(kinds)))


@given(st.lists(along_one_axis(), min_size=2, max_size=4), st.integers(1, 40))
def test_what_a_chain_never_reads_has_no_gradient_and_what_comes_before_it_has(layers: list[Layer], n: int) -> None:
    layer = Sequential("Sequential", tuple(layers))
    try:
        dropped = unread_inputs(layer, (1, 1, n))
    except ShapeError:
        return
    module = build(layer, torch.float64).eval()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    x = torch.ones(1, 1, n, dtype=torch.float64, requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None
    read = x.grad.flatten().nonzero().flatten()
    # What treats every entry by itself has no axis in space.
    assert dropped in ((), (n - 1 - (int(read.max()) if len(read) else -1),))


MODEL = nn.Sequential(
    nn.Conv2d(3, 8, 3), nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1, bias=False)), nn.Flatten(), nn.Linear(4, 2)
)
WRITTEN = (
    "Sequential(Conv2d(3, 8, 3), Sequential(BatchNorm2d(8), Conv2d(8, 4, 1, bias=False)), Flatten(), Linear(4, 2))"
)

SAME = {
    "as torch prints it": str(MODEL),
    "as torch prints it within a model": f"(stem): {MODEL}",
    "as one writes it": WRITTEN.replace("Conv2d", "nn.Conv2d").replace("Sequential", "torch.nn.Sequential"),
    "assigned": f"self.stem = {WRITTEN}",
    "with a list": "Sequential(*[Conv2d(3, 8, 3), Sequential(BatchNorm2d(8), Conv2d(8, 4, 1, bias=False)), Flatten(), "
    "Linear(4, 2)])",
    "with names in pairs": "Sequential(OrderedDict([('a', Conv2d(3, 8, 3)), ('b', Sequential(BatchNorm2d(8), "
    "Conv2d(8, 4, 1, bias=False))), ('c', Flatten()), ('d', Linear(4, 2))]))",
    "with names as keywords": "nn.Sequential(collections.OrderedDict(a=Conv2d(3, 8, 3), b=Sequential(BatchNorm2d(8), "
    "Conv2d(8, 4, 1, bias=False)), c=Flatten(), d=Linear(4, 2)))",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME.keys())
def test_a_chain_is_read_however_it_is_written(text: str) -> None:
    layer = parse_layer(text)
    assert layer == parse_layer(WRITTEN)
    assert {name: tuple(p.shape) for name, p in MODEL.named_parameters()} == layer.parameters()


ONE = "Sequential(\n  (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))\n)"
INNER = "Sequential(\n  (layer.0): Sequential(\n    (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))\n  )\n)"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (ONE, "Sequential(Conv2d(3, 8, 3))"),
        (INNER, "Sequential(Sequential(Conv2d(3, 8, 3)))"),
        ("Unflatten(dim=1, unflattened_size=torch.Size([2, 3]))", "Unflatten(1, (2, 3))"),
        ("NonDynamicallyQuantizableLinear(in_features=4, out_features=2, bias=True)", "Linear(4, 2)"),
    ],
    ids=["of one layer", "within another", "with a size", "with a Linear by another name"],
)
def test_what_torch_prints_of_small_modules_is_read(text: str, same: str) -> None:
    assert parse_layer(text) == parse_layer(same)


ZERO = (0, 0)
NESTED = {
    "a chain in a chain": ("Sequential(Conv1d(3, 8, 1), Sequential(Conv1d(8, 8, 3, stride=2)))", (1, 3, 10), (1,)),
    "a chain before a layer": ("Sequential(Sequential(Conv2d(3, 8, 3)), MaxPool2d(2))", (1, 3, 9, 8), (1, 0)),
    "a chain that ends flat": (
        "Sequential(Conv2d(3, 8, 3), Sequential(Conv2d(8, 8, 3), Flatten()))",
        (1, 3, 9, 9),
        (0, 0),
    ),
    "patches of channels last": ("Sequential(Patchify(3, 8, 2, 4), Linear(8, 2))", (1, 9, 11, 3), (1, 3)),
}


@pytest.mark.parametrize(("text", "shape", "dropped"), NESTED.values(), ids=NESTED.keys())
def test_chains_of_chains_have_shapes_and_drop_what_they_drop(
    text: str, shape: tuple[int, ...], dropped: tuple[int, ...]
) -> None:
    layer = parse_layer(text)
    assert layer.output_shape(shape) == tuple(build(layer)(torch.ones(shape)).shape)
    assert unread_inputs(layer, shape) == dropped


def test_what_is_moved_away_unread_is_not_known() -> None:
    layer = parse_layer("Sequential(Unfold(2, stride=2), MaxPool2d(1, stride=4))")
    with pytest.raises(UndecidedError, match="is not known where they are moved"):
        unread_inputs(layer, (1, 4, 11, 5))


def test_an_input_is_made_up_for_a_chain_of_chains() -> None:
    layer = parse_layer("Sequential(Sequential(Conv2d(3, 8, 3, stride=2), BatchNorm2d(8)), Conv2d(8, 4, 5))")
    assert layer.output_shape(*layer.example_inputs())


def test_a_chain_is_read_from_a_mapping() -> None:
    inner = {"op": "BatchNorm2d", "num_features": 8}
    assert parse_layer({"op": "Sequential", "layers": ["Conv2d(3, 8, 3)", inner]}) == parse_layer(
        "Sequential(Conv2d(3, 8, 3), BatchNorm2d(8))"
    )


def test_layers_that_print_alike_are_counted_out() -> None:
    text = "Sequential(\n  (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)\n  (3): Linear(4, 2)\n)"
    assert parse_layer(text) == parse_layer("Sequential(Linear(4, 4), Linear(4, 4), Linear(4, 4), Linear(4, 2))")


WRONG = {
    "an empty chain": ("Sequential()", "a Sequential needs at least one layer"),
    "two faults in a chain": (
        "Sequential(Conv2d(3, 8), Linear(4, 0))",
        "layer 0: Conv2d: kernel_size is missing; layer 1: Linear: out_features is 0",
    ),
    "a number in a chain": ("Sequential(3)", "layer 0: 3 is not a layer"),
    "an operation with two inputs in a chain": (
        "Sequential(Linear(2, 2), mm())",
        "takes 2 inputs; in a chain there is",
    ),
    "two outputs in a chain": ("Sequential(MaxPool2d(2, return_indices=True))", "makes two outputs"),
    "a keyword of a chain": ("Sequential(Linear(2, 2), dim=1)", "takes layers, one after the other, and nothing else"),
    "an argument of an operation": ("mm(3)", "takes 0 arguments, and 1 were given"),
    "a pattern that loses an axis": ("rearrange('a b -> a')", "loses b"),
    "a pattern that repeats": ("rearrange('a -> a b', b=2)", "b stands on the right only"),
    "a length of no axis": ("rearrange('a b -> b a', c=2)", "c is no axis of 'a b -> b a'; there are: a, b"),
    "no pattern": ("rearrange('a b')", "needs one '->'"),
    "data_dim": ("Patchify(3, 8, 4, 2)", "data_dim is 4; it must be one of 1, 2, 3"),
    "a patch of three axes in two": ("Patchify(3, 8, 2, (2, 2, 2))", "3 numbers, and data_dim is 2"),
    "an unknown initialisation": ("Patchify(3, 8, 2, 2, weight_init=ones)", "one of 'default', 'zeros', 'fan_in'"),
    "a layer for a number": ("Conv2d(Linear(2, 2), 3, 3)", "in_channels is Linear(...); it must be a whole number"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_told(text: str, message: str) -> None:
    with pytest.raises(LayerError) as error:
        parse_layer(text)
    assert message in str(error.value)


MISFITS = {
    "too few inputs": ("mm()", ((2, 3),), "mm takes 2 inputs, and 1 was given: [2, 3]"),
    "too many inputs": ("Linear(3, 4)", ((2, 3), (2, 3)), "Linear takes 1 input, and 2 were given"),
    "matrices that do not go together": ("mm()", ((2, 3), (4, 5)), "which is 3, and the last but one of [4, 5]"),
    "a rank that bmm lacks": ("bmm()", ((2, 3), (2, 3, 4)), "bmm takes [b, m, n] and [b, n, p]; [2, 3] has 2 axes"),
    "batches of bmm that differ": ("bmm()", ((1, 2, 3), (2, 3, 4)), "leading axes of [1, 2, 3] and [2, 3, 4]"),
    "batches that do not broadcast": ("matmul()", ((2, 2, 3), (3, 3, 4)), "are 2 and 3"),
    "a layer that cannot take what it gets": (
        "Sequential(Linear(3, 4), Linear(5, 6))",
        ((2, 3),),
        "layer 1, Linear(in_features=5, out_features=6, bias=True), gets [2, 4]",
    ),
    "an output size below the range": (
        "Unpatchify(8, 3, 2, 4, output_spatial_shape=(11, 12))",
        ((2, 3, 3, 8),),
        "asks for 11 on axis h, and a grid of [3, 3] has 12 to 15 there",
    ),
    "an output size above the range": (
        "Unpatchify(8, 3, 2, 4, output_spatial_shape=16)",
        ((2, 3, 3, 8),),
        "asks for 16 on axis h",
    ),
    "channels first": ("Patchify(3, 8, 2, 4)", ((2, 3, 9, 9),), "takes channels last, [batch, H, W, 3]"),
    "a rank that a pattern lacks": ("rearrange('a b -> b a')", ((2, 3, 4),), "'a b' has 2 axes, and the input has 3"),
    "a length that does not split": ("rearrange('(a b) -> a b', a=2)", ((5,),), "an axis of length 5 is not (a b)"),
}


@pytest.mark.parametrize(("text", "shapes", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_inputs_that_do_not_fit_are_told(text: str, shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    layer: Layer = parse_layer(text)
    with pytest.raises(ShapeError) as error:
        accept(layer, shapes)
    assert message in str(error.value)
