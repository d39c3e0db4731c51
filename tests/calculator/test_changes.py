"""Asked for another output of an input, every padding, output_padding or stride that gives it is told, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convcheck.calculator.answers import Change, OpenRanges
from convcheck.calculator.questions.changes import changes_for
from convcheck.calculator.questions.transposed_sizes import sizes_for
from convcheck.errors import ShapeError, UsageError
from convcheck.layers import Conv, ConvTranspose, Layer, Pool, Sequential, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.patterns import Shape
from tests.calculator.test_inputs import chain, lines
from tests.strategies.layers import transposed

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
        for one in answer.suggestions:
            assert changed(layers, one.number, parse_layer(one.layer), shape) == output
        assert sorted(answer.suggestions, key=lambda one: one.absurd is not None) == list(answer.suggestions)
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


@pytest.mark.parametrize(("there", "nearest"), [(0, 7), (6, 7), (10, 9), (20, 9)])
def test_of_several_paddings_the_nearest_is_written(there: int, nearest: int) -> None:
    layers = chain(f"Conv2d(1, 1, 1, padding={there})", "PixelUnshuffle(4)", "MaxPool2d(2)")
    change, *_ = changes_for(layers, (1, 1, 10, 10), (1, 16, 3, 3)).changes
    assert change.axes["h"].padding == ((7, 7), (9, 9))
    assert f"padding=({nearest}, {nearest})" in (change.layer or "")


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


def test_a_layer_that_cannot_be_asked_backwards_is_refused_where_one_before_it_would_change() -> None:
    with pytest.raises(UsageError, match="only layers of one input"):
        changes_for(chain("Conv1d(1, 1, 3)", "mm()"), (1, 5), (1, 4))


def test_no_change_mends_an_output_of_another_rank() -> None:
    changes: tuple[Change, ...] = changes_for(chain("Conv1d(1, 1, 3)", "MaxPool1d(2)"), (1, 5), (1, 1, 1)).changes
    assert not changes
