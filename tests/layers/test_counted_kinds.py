"""Kinds that the calculator alone knows do on shapes, parameters and products what real torch does on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import Result

from convcheck.api import verify
from convcheck.errors import ConvcheckError, ShapeError
from convcheck.layers import Layer, accept, kind_names, parse_layer
from convcheck.layers.torch_names import advice, torch_names
from convcheck.sizes.patterns import Shape, Shapes
from tests.strategies.counted import COUNTED, INTEGERS, Drawn, module_of

every_kind = pytest.mark.parametrize("drawn", COUNTED.values(), ids=COUNTED)


def inputs_of(layer: Layer, shapes: Shapes) -> list[torch.Tensor]:
    """Return ones; for a table, whole ones."""
    return [torch.ones(shape, dtype=torch.long if layer.kind in INTEGERS else torch.float32) for shape in shapes]


def run(layer: Layer, shapes: Shapes) -> Shape | None:
    """Return the shape of torch's output, of the first where there are several; None where torch refuses."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            output = module_of(layer).eval()(*inputs_of(layer, shapes))
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
    module = module_of(layer)
    assert layer.parameters() == {name: tuple(p.shape) for name, p in module.named_parameters()}
    kept = {name: tuple(b.shape) for name, b in module.named_buffers() if b.is_floating_point()}
    assert {name: statistic.shape for name, statistic in layer.statistics().items()} == kept


@every_kind
@given(st.data())
def test_first_values_are_as_is_said_of_them(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, _ = data.draw(drawn)
    inits = layer.initial_values()
    assert inits.keys() <= layer.parameters().keys()
    for name, parameter in module_of(layer).named_parameters():
        init = inits.get(name)
        if init is not None and init.kind == "ones":
            assert bool((parameter == 1).all())
        elif init is not None and init.bound is not None:
            assert float(parameter.detach().abs().max()) <= init.bound * (1 + 1e-6)


@every_kind
@given(st.data())
def test_what_torch_prints_is_read_as_the_layer(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, shapes = data.draw(drawn)
    assert parse_layer(str(layer)) == layer
    printed = parse_layer(str(module_of(layer)))
    assert printed.parameters() == layer.parameters()
    assert " " not in layer.label()
    if run(layer, shapes) is not None:
        assert accept(printed, shapes) == accept(layer, shapes)
        # A print does not say which axis of a transformer is the batch; its layer says that one is assumed.
        assert printed.macs(*shapes) == layer.macs(*shapes) or printed.assumption()


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
        # In eval mode, a transformer's layer is one kernel, too; in training, these have nothing else to draw.
        module_of(layer).train(family == "transformers")(*inputs_of(layer, shapes))
    assert 2 * layer.macs(*shapes) == counter.get_total_flops()


def test_a_product_of_three_is_counted_by_hand() -> None:
    assert parse_layer("Bilinear(3, 4, 5)").macs((2, 7, 3), (2, 7, 4)) == 2 * 7 * 5 * 3 * 4


@every_kind
@given(st.data())
def test_the_input_that_is_made_up_fits(drawn: st.SearchStrategy[Drawn], data: st.DataObject) -> None:
    layer, _ = data.draw(drawn)
    assert run(layer, layer.example_inputs()) == accept(layer, layer.example_inputs())


NOT_PROVED = {
    "a layer": ["verify", "LayerNorm(8)", "-i", "2,8"],
    "within a chain": ["verify", "Sequential(Conv2d(3, 8, 3), GroupNorm(2, 8))", "-i", "1,3,8,8"],
    "a side": ["verify", "Linear(8, 8)", "--candidate", "RMSNorm(8)", "-i", "2,8"],
    "a benchmark": ["bench", "PReLU()", "-i", "2,8"],
}


@pytest.mark.parametrize("words", NOT_PROVED.values(), ids=NOT_PROVED)
def test_of_what_is_only_counted_nothing_is_proved(convcheck: Callable[..., Result], words: list[str]) -> None:
    result = convcheck(*words)
    assert result.exit_code == 2
    assert "is known to shape and params alone, and nothing is proved of it as text" in result.stderr
    assert "torch.nn:" in result.stderr


def test_python_says_the_same() -> None:
    with pytest.raises(ConvcheckError, match="known to shape and params alone"):
        verify("LayerNorm(8)", (2, 8), candidate="LayerNorm(8)")


@pytest.mark.parametrize("kind", sorted(torch_names()))
def test_every_layer_of_torch_is_read_or_it_is_said_what_to_do(kind: str) -> None:
    assert kind in kind_names() or advice(kind) or kind in ("LinearCrossEntropyOptions",)


FOREIGN = (
    *("GELUActivation()", "DropPath(drop_prob=0.100)", "SwinDropPath(p=0.1)", "StochasticDepth(p=0.1, mode=row)"),
    *("LlamaRMSNorm((5,), eps=1e-06)", "DetrFrozenBatchNorm2d()", "FrozenBatchNorm2d(3, eps=0.0)"),
    *("LayerNorm2d((3,), eps=1e-06, elementwise_affine=True)", "ConvNextLayerNorm((3,), eps=1e-06)"),
)


@pytest.mark.parametrize("text", FOREIGN)
def test_kinds_of_other_libraries_are_read_by_their_names(text: str) -> None:
    layer = parse_layer(text)
    assert layer.output_shape((2, 3, 4, 5)) == (2, 3, 4, 5)
    assert layer.macs((2, 3, 4, 5)) == 0
    assert parse_layer(str(layer)) == layer
