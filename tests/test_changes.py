"""Asked for another output of an input, every padding, output_padding or stride that gives it is told, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from convcheck.answers import Change, OpenRanges
from convcheck.build import build
from convcheck.errors import ShapeError, UsageError
from convcheck.layers import Conv, ConvTranspose, Layer, Pool, Sequential, parse_layer
from convcheck.patterns import Shape
from convcheck.questions.changes import changes_for
from convcheck.questions.sizes import sizes_for

from .strategies import transposed
from .test_inputs import chain, lines, words

Run = Callable[..., Result]

MOST = 24
"""Paddings and strides that are tried one by one."""


def made(layer: Layer, shape: Shape) -> Shape | None:
    if any(layer.inconsistencies()):
        return None
    try:
        return layer.output_shape(shape)
    except ShapeError:
        return None


def within(ranges: OpenRanges, number: int) -> bool:
    return any(first <= number and (last is None or number <= last) for first, last in ranges)


def settings(layer: Conv | ConvTranspose | Pool) -> Iterator[tuple[str, object, Layer]]:
    """Yield the layer of one axis with every padding, with every pair of paddings, and with every stride."""
    whole = isinstance(layer, Pool) and not isinstance(layer.padding, tuple)
    for number in range(MOST):
        given: object = number if whole else (number,)
        if isinstance(layer, ConvTranspose):
            limit = max(*layer.stride, *layer.dilation)
            for extra in range(limit):
                yield "pairs", (number, extra), replace(layer, padding=given, output_padding=(extra,))
        else:
            yield "padding", number, replace(layer, padding=given)
        if number:
            yield "stride", number, replace(layer, stride=given)


def changed(layers: list[Layer], number: int, layer: Layer, shape: Shape) -> Shape | None:
    each = (*layers[: number - 1], layer, *layers[number:])
    return None if any(layer.inconsistencies()) else made(Sequential("Sequential", each), shape)


@given(lines(), st.integers(1, 20), st.integers(1, 20), st.integers(0, 3))
def test_what_is_told_is_all_there_is(layers: list[Layer], length: int, asked: int, at: int) -> None:
    shape, output = (2, 1, length), (2, 1, asked)
    gives = made(Sequential("Sequential", tuple(layers)), shape)
    try:
        answer = changes_for(layers, shape, output)
    except ShapeError:
        assert gives is None
        changes: tuple[Change, ...] = ()
    else:
        assert answer.gives == gives
        assert answer.found == (gives == output)
        changes = answer.changes
    if gives == output:
        assert not changes
        return
    number = at % len(layers) + 1
    layer = layers[number - 1]
    told = [change for change in changes if change.number == number and change.layer]
    if not isinstance(layer, (Conv, ConvTranspose, Pool)):
        assert not told
        return
    found = {(how, value) for how, value, other in settings(layer) if changed(layers, number, other, shape) == output}
    axes = [change.axes["l"] for change in told]
    assert len(axes) < 2
    if any(axis.padding or axis.pairs for axis in axes):
        # A stride is looked for where no padding does, be it one larger than those tried here.
        found = {(how, value) for how, value in found if how != "stride"}
    spoken = {
        (how, value)
        for axis in axes
        for how, value, _ in settings(layer)
        if (how == "pairs" and value in axis.pairs)
        or (how == "padding" and isinstance(value, int) and within(axis.padding, value))
        or (how == "stride" and isinstance(value, int) and within(axis.stride, value))
    }
    assert spoken == found
    for change in told:
        assert change.layer is not None
        assert changed(layers, number, parse_layer(change.layer), shape) == output


def test_what_comes_close_is_on_either_side() -> None:
    (change,) = changes_for(chain("Conv1d(1, 1, 7, stride=2)"), (1, 224), (1, 56)).changes
    assert change.layer is None
    assert [(near.argument, near.value, near.output) for near in change.axes["l"].nearest] == [
        ("padding", 0, 109),
        ("stride", 3, 73),
        ("stride", 4, 55),
    ]
    for near in change.axes["l"].nearest:
        other = {"stride": 2, near.argument: near.value}
        layer = parse_layer({"op": "Conv1d", "in_channels": 1, "out_channels": 1, "kernel_size": 7, **other})
        assert layer.output_shape((1, 224)) == (1, near.output)


@given(transposed(), st.data())
def test_forward_takes_just_the_output_sizes_that_are_told(layer: ConvTranspose, data: st.DataObject) -> None:
    space = data.draw(st.lists(st.integers(3, 6), min_size=layer.dims, max_size=layer.dims))
    shape = (1, layer.in_channels, *space)
    if made(layer, shape) is None:
        return
    module, inputs = build(layer, torch.float32), torch.zeros(shape)
    axes = sizes_for([layer], shape).sizes
    if not all(axis.by_output_size for axis in axes):
        # Without output_padding, nothing would be left.
        with pytest.raises((ValueError, RuntimeError)):
            module(inputs, output_size=[axis.output for axis in axes])
        return
    assert [axis.output for axis in axes] == list(layer.output_shape(shape)[2:])
    for at, axis in enumerate(axes):
        plain = [other.by_output_size[0][0] for other in axes]
        [(least, most)] = axis.by_output_size
        for size in range(max(1, least - 2), most + 3):
            asked = [*plain[:at], size, *plain[at + 1 :]]
            try:
                output = module(inputs, output_size=asked)
            except (ValueError, RuntimeError):
                assert not least <= size <= most
            else:
                assert least <= size <= most
                assert list(output.shape[2:]) == asked


@given(transposed(), st.data())
def test_output_padding_gives_just_the_sizes_that_are_told(layer: ConvTranspose, data: st.DataObject) -> None:
    shape = (layer.in_channels, *data.draw(st.lists(st.integers(3, 6), min_size=layer.dims, max_size=layer.dims)))
    if made(layer, shape) is None:
        return
    for at, axis in enumerate(sizes_for([layer], shape).sizes):
        extras = ((*layer.output_padding[:at], n, *layer.output_padding[at + 1 :]) for n in range(8))
        outputs = (made(replace(layer, output_padding=extra), shape) for extra in extras)
        found = {output[1 + at] for output in outputs if output is not None}
        assert found == {size for first, last in axis.by_output_padding for size in range(first, last + 1)}


def test_unpatchify_may_be_asked_for_what_its_argument_takes() -> None:
    text = "Unpatchify(4, 3, data_dim=1, patch_size=5, stride=3)"
    (axis,) = sizes_for(chain(text), (2, 6, 4)).sizes
    assert (axis.by_output_padding, axis.by_output_size) == ((), ((20, 22),))
    for size in (19, 20, 22, 23):
        layer = parse_layer(f"{text[:-1]}, output_spatial_shape={size})")
        assert (made(layer, (2, 6, 4)) is not None) == (20 <= size <= 22)


CHANGED: dict[str, tuple[list[str], int, str]] = {
    "it gives that": (["Conv1d(3, 8, 3)", "-i", "3,9", "--output", "8,7"], 0, "[3, 9] gives [8, 7]"),
    "a padding": (
        ["Conv2d(3, 64, 7, stride=2)", "-i", "1,3,224,224", "--output", "1,64,112,112"],
        1,
        "[1, 3, 224, 224] gives [1, 64, 109, 109], and not [1, 64, 112, 112]\n\nh w\npadding 3 padding 3\n\n"
        "nn.Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3))",
    ),
    "one axis keeps its padding": (
        ["Conv2d(3, 64, 3, padding=(0, 1))", "-i", "3,9,9", "--output", "64,9,9"],
        1,
        "padding=(1, 1))",
    ),
    "several paddings": (
        ["Conv1d(1, 1, 7, stride=4, padding_mode=circular)", "-i", "1,20", "--output", "1,5"],
        1,
        "l\npadding 2 to 3\n\nnn.Conv1d(1, 1, kernel_size=(7,), stride=(4,), padding=(2,), padding_mode='circular')",
    ),
    "pairs of a transposed one": (
        ["ConvTranspose1d(8, 4, 3, stride=4)", "-i", "8,5", "--output", "4,18"],
        1,
        "padding 1 output_padding 1, padding 2 output_padding 3",
    ),
    "forward's own argument": (
        ["ConvTranspose1d(8, 4, 3, stride=2, padding=1)", "-i", "8,7", "--output", "4,14"],
        1,
        "or, with the layer as it is, forward(x, output_size=[14])",
    ),
    "a stride": (["Conv1d(1, 1, 3)", "-i", "1,20", "--output", "1,1"], 1, "l\nstride 18 or more\n"),
    "nothing": (
        ["Conv1d(1, 1, 7, stride=2)", "-i", "1,224", "--output", "1,56"],
        1,
        "no padding or stride of one layer gives [1, 56]\n\nl\n"
        "none, padding 0 gives 109, stride 3 gives 73, stride 4 gives 55",
    ),
    "either layer of two": (
        ["Conv2d(3, 8, 3)", "MaxPool2d(2)", "-i", "3,12,12", "--output", "8,6,6"],
        1,
        "layer h w\n1 padding 1 padding 1\n2 padding 1 padding 1\n\n"
        "layer 1: nn.Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n\n"
        "layer 2: nn.MaxPool2d(kernel_size=2, stride=2, padding=1, dilation=1, ceil_mode=False)",
    ),
    "an input that is too short": (
        ["Conv1d(1, 1, 7)", "-i", "1,5", "--output", "1,1"],
        1,
        "[1, 5] cannot be taken: Conv1d(1, 1, kernel_size=(7,), stride=(1,)): axis l of length 5 is too short",
    ),
    "an input of other channels": (["Conv1d(1, 2, 3)", "-i", "2,5", "--output", "2,3"], 2, "takes 1 input channels"),
    "an axis merged behind it": (
        ["Conv2d(1, 2, 3)", "Flatten()", "-i", "1,1,4,5", "--output", "1,40"],
        1,
        "layer 1: nn.Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))",
    ),
    "a merged axis alone": (["Flatten()", "-i", "2,3,4", "--output", "2,13"], 1, "[2, 3, 4] gives [2, 12], and not"),
    "a size that Unpatchify may be asked for": (
        ["Unpatchify(4, 3, data_dim=2, patch_size=5, stride=3)", "-i", "2,6,6,4", "--output", "2,22,20,3"],
        1,
        "h w\noutput_spatial_shape 22 output_spatial_shape 20\n\n"
        "convcheck.Unpatchify(4, 3, data_dim=2, patch_size=5, stride=3, output_spatial_shape=(22, 20))",
    ),
    "a size in place of one that does not fit": (
        ["Unpatchify(4, 3, data_dim=1, patch_size=5, stride=3, output_spatial_shape=9)"]
        + ["-i", "6,4", "--output", "21,3"],
        1,
        "output_spatial_shape=21)",
    ),
    "a size that Unpatchify may not be asked for": (
        ["Unpatchify(4, 3, data_dim=1, patch_size=5, stride=3)", "-i", "6,4", "--output", "19,3"],
        1,
        "no padding or stride of one layer gives [19, 3]",
    ),
    "no padding that AvgPool3d takes": (
        ["AvgPool3d(3, stride=1, padding=1)", "-i", "1,4,4,2", "--output", "1,4,4,2"],
        2,
        "axis w of length 2 is shorter than the kernel",
    ),
    "no stride beside 'same'": (
        ["Conv1d(1, 1, 3, padding=same)", "-i", "1,9", "--output", "1,5"],
        1,
        "no padding or stride of one layer gives [1, 5]\n\nl\nnone, padding 0 gives 7",
    ),
    "a batch that no layer changes": (
        ["Conv1d(1, 1, 3)", "-i", "2,1,5", "--output", "3,1,5"],
        1,
        "no padding or stride of one layer gives [3, 1, 5]",
    ),
    "a stride of a transposed one": (
        ["ConvTranspose1d(1, 1, 1, stride=3, output_padding=2)", "-i", "1,2", "--output", "1,7"],
        1,
        "stride 4\n",
    ),
    "other channels": (
        ["Conv1d(1, 2, 3)", "-i", "1,5", "--output", "1,3"],
        1,
        "no padding or stride of one layer gives [1, 3]",
    ),
    "an operation of two inputs": (["mm()", "-i", "2,3", "--output", "2,3"], 2, "only layers of one input"),
    "two inputs": (["Conv1d(1, 2, 3)", "-i", "1,5", "-i", "1,5", "--output", "2,3"], 2, "give -i once"),
    "sizes": (
        ["ConvTranspose1d(8, 4, 3, stride=2, padding=1, dilation=3)", "-i", "8,7", "--sizes"],
        0,
        "dilation=(3,)) l 7 17 0 to 2 17 to 19 17 to 18",
    ),
    "sizes without an input": (["ConvTranspose1d(8, 4, 3)", "--sizes"], 2, "--sizes depends on the input's shape"),
    "sizes of what has none": (["Conv1d(8, 4, 3)", "-i", "8,7", "--sizes"], 2, "--sizes is about transposed layers"),
    "sizes of what cannot be": (["ConvTranspose1d(8, 4, 3)", "-i", "7,7", "--sizes"], 2, "takes 8 input channels"),
}


@pytest.mark.parametrize(("asked", "code", "printed"), CHANGED.values(), ids=CHANGED)
def test_prints_and_exits(convcheck: Run, asked: list[str], code: int, printed: str) -> None:
    result = convcheck("shape", *asked)
    assert printed in words(result.stdout + result.stderr)
    assert result.exit_code == code


def test_json_has_what_would_do(convcheck: Run) -> None:
    result = convcheck("shape", "Conv1d(1, 1, 7, stride=4)", "-i", "1,20", "--output", "1,5", "-f", "json")
    found = json.loads(result.stdout)
    assert (found["question"], found["found"], found["gives"]) == ("changes", False, [1, 4])
    assert found["changes"] == [
        {
            "number": 1,
            "axes": {"l": {"padding": [[2, 3]], "pairs": [], "stride": [], "output_size": [], "nearest": []}},
            "layer": "nn.Conv1d(1, 1, kernel_size=(7,), stride=(4,), padding=(2,))",
            "output_size": None,
        }
    ]


def test_a_layer_that_cannot_be_asked_backwards_is_refused_where_one_before_it_would_change() -> None:
    with pytest.raises(UsageError, match="only layers of one input"):
        changes_for(chain("Conv1d(1, 1, 3)", "mm()"), (1, 5), (1, 4))


def test_no_change_mends_an_output_of_another_rank() -> None:
    changes: tuple[Change, ...] = changes_for(chain("Conv1d(1, 1, 3)", "MaxPool1d(2)"), (1, 5), (1, 1, 1)).changes
    assert not changes
