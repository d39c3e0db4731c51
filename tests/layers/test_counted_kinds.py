"""Kinds that the calculator alone knows do on shapes, parameters and products what real torch does on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from convcheck.errors import ShapeError
from convcheck.layers import Layer, accept, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.patterns import Shape, Shapes
from tests.strategies.counted import COUNTED, INTEGERS, Drawn

every_kind = pytest.mark.parametrize("drawn", COUNTED.values(), ids=COUNTED)


def inputs_of(layer: Layer, shapes: Shapes) -> list[torch.Tensor]:
    """Return ones; for a table, whole ones."""
    return [torch.ones(shape, dtype=torch.long if layer.kind in INTEGERS else torch.float32) for shape in shapes]


def run(layer: Layer, shapes: Shapes) -> Shape | None:
    """Return the shape of torch's output, of the first where there are several; None where torch refuses."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            output = build(layer).eval()(*inputs_of(layer, shapes))
        except (RuntimeError, IndexError, ValueError, AssertionError, NotImplementedError):
            return None
    output = output[0] if isinstance(output, tuple) else output
    return tuple(output.shape) if output.numel() else None


@every_kind
@given(st.data())
def test_the_output_shape_is_torchs_or_both_refuse(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, shapes = data.draw(drawn)
    expected = run(layer, shapes)
    if expected is None:
        with pytest.raises(ShapeError):
            accept(layer, shapes)
    else:
        assert accept(layer, shapes) == expected


@every_kind
@given(st.data())
def test_parameters_and_statistics_are_torchs(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, _ = data.draw(drawn)
    module = build(layer)
    assert layer.parameters() == {name: tuple(p.shape) for name, p in module.named_parameters()}
    kept = {name: tuple(b.shape) for name, b in module.named_buffers() if b.is_floating_point()}
    assert {name: statistic.shape for name, statistic in layer.statistics().items()} == kept


@every_kind
@given(st.data())
def test_what_torch_prints_is_read_as_the_layer(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, shapes = data.draw(drawn)
    assert parse_layer(str(layer)) == layer
    printed = parse_layer(str(build(layer)))
    assert printed.parameters() == layer.parameters()
    assert " " not in layer.label()
    if run(layer, shapes) is not None:
        assert accept(printed, shapes) == accept(layer, shapes)
        assert printed.macs(*shapes) == layer.macs(*shapes)


@contextmanager
def _without_onednn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False):
            yield


# torch's counter knows no product of three, so a Bilinear is counted by hand.
@pytest.mark.parametrize("family", sorted(COUNTED.keys() - {"bilinear"}))
@given(st.data())
def test_macs_are_half_of_torchs_flops(family: str, data: st.DataObject) -> None:
    layer, shapes = data.draw(COUNTED[family])
    if run(layer, shapes) is None:
        return
    # One kernel for a whole LSTM is none that it knows, either.
    with _without_onednn(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(layer).eval()(*inputs_of(layer, shapes))
    assert 2 * layer.macs(*shapes) == counter.get_total_flops()


def test_a_product_of_three_is_counted_by_hand() -> None:
    assert parse_layer("Bilinear(3, 4, 5)").macs((2, 7, 3), (2, 7, 4)) == 2 * 7 * 5 * 3 * 4


@every_kind
@given(st.data())
def test_the_input_that_is_made_up_fits(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, _ = data.draw(drawn)
    assert run(layer, layer.example_inputs()) == accept(layer, layer.example_inputs())
