"""The windows that a layer says its axes are, against the shape that it says its output has."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convcheck.errors import ShapeError
from convcheck.layers import Layer, parse_layer
from convcheck.sizes.patterns import Shape
from convcheck.sizes.windows import Window
from tests.strategies.layers import FAMILIES, shapes


@pytest.mark.parametrize("layers", [FAMILIES[name] for name in ("convolutions", "transposed", "shuffles", "pools")])
@given(data=st.data())
def test_windows_give_the_lengths_of_the_output(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers)
    [shape] = data.draw(shapes(layer))
    try:
        output = layer.output_shape(shape)
    except ShapeError:
        return
    windows, space = layer.axis_windows(shape), layer.space(shape)
    assert len(windows) == len(space) == layer.dims
    for window, axis in zip(windows, space, strict=True):
        length = shape[axis]
        made = layer.outputs_of(window, length) if isinstance(window, Window) else window.outputs(length)
        assert made == output[axis]


OPERANDS: list[tuple[Shape, Shape]] = [
    ((4,), (4,)),
    ((4,), (4, 6)),
    ((3, 4), (4,)),
    ((5, 3, 4), (4, 6)),
    ((3, 4), (5, 4, 6)),
    ((2, 5, 3, 4), (5, 4, 6)),
    ((5, 3, 4), (2, 5, 4, 6)),
    ((2, 1, 3, 4), (5, 4, 6)),
    ((7, 2, 5, 3, 4), (4,)),
]


@pytest.mark.parametrize(("left", "right"), OPERANDS)
def test_operands_of_fewer_axes_are_broadcast_as_torch_does(left: Shape, right: Shape) -> None:
    product = torch.matmul(torch.ones(left), torch.ones(right))
    assert parse_layer("matmul()").output_shape(left, right) == tuple(product.shape)
