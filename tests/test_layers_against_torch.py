"""Shapes, weights and costs are what real torch does on the CPU: both accept and agree, or both refuse."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from convcheck.build import build
from convcheck.errors import LayerError, ShapeError
from convcheck.layers import Layer, parse_layer
from convcheck.patterns import Shapes

from .strategies import convs, linears, shapes, transposed

layers = st.one_of(convs(), transposed(), linears())


def run(layer: Layer, shapes: Shapes) -> torch.Tensor | None:
    """Return torch's output, or None where torch refuses or (in one dimension only) makes an empty one."""
    try:
        with torch.no_grad():
            output: torch.Tensor = build(layer)(*map(torch.ones, shapes))
    except RuntimeError:
        return None
    return output if output.numel() else None


@given(layers, st.data())
def test_output_shape_is_torchs_or_both_refuse(layer: Layer, data: st.DataObject) -> None:
    drawn = data.draw(shapes(layer))
    output = run(layer, drawn)
    if output is None:
        with pytest.raises(ShapeError):
            layer.output_shape(*drawn)
    else:
        assert layer.output_shape(*drawn) == tuple(output.shape)


@given(layers)
def test_parameters_are_torchs(layer: Layer) -> None:
    assert layer.parameters() == {name: tuple(p.shape) for name, p in build(layer).named_parameters()}


@given(layers, st.data())
def test_macs_are_half_of_torchs_flops(layer: Layer, data: st.DataObject) -> None:
    drawn = data.draw(shapes(layer))
    try:
        macs = layer.macs(*drawn)
    except ShapeError:
        return
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(layer)(*map(torch.ones, drawn))
    assert 2 * macs == counter.get_total_flops()


@given(st.one_of(convs(), transposed()), st.data())
def test_dropped_positions_are_those_without_a_gradient(layer: Layer, data: st.DataObject) -> None:
    drawn = data.draw(shapes(layer))
    try:
        dropped = layer.dropped(*drawn)
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


def test_sizes_without_end_take_no_time() -> None:
    """Nothing counts positions one by one: these would run for hours."""
    assert parse_layer("Conv1d(1, 1, 1, stride=1000000000)").dropped((1, 1, 10**9)) == (10**9 - 1,)
    assert parse_layer("ConvTranspose1d(1, 1, 1, padding=1000000000)").dropped((1, 1, 9 * 10**9)) == (10**9,)


@given(layers)
def test_the_input_that_is_made_up_fits_and_is_not_trivial(layer: Layer) -> None:
    assert math.prod(layer.output_shape(*layer.typical_inputs())) > 1


@pytest.mark.parametrize(
    "text",
    [
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
    with pytest.raises((ValueError, RuntimeError)):
        eval(f"torch.nn.{kind}({arguments}")(torch.ones(1, 3, 9, 9))
