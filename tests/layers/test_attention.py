"""Attention: what torch takes, makes and counts, known from numbers alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from convcheck.errors import LayerError, ShapeError
from convcheck.layers import DotProductAttention, Layer, accept, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.patterns import Shapes
from tests.strategies.attentions import bent, dot_products, drawn_point, multiheads

either = st.one_of(dot_products(), multiheads())


@given(st.data())
def test_output_shape_is_torchs_or_both_refuse(data: st.DataObject) -> None:
    layer, shapes = data.draw(either)
    if data.draw(st.booleans()):
        shapes = data.draw(bent(shapes))
    if isinstance(layer, DotProductAttention) and (
        any(len(mask) < 2 for mask in shapes[3:]) or min(map(len, shapes[1:3])) < 2 or shapes[1][-2] != shapes[2][-2]
    ):
        # Of these, torch takes some and ought not to; they are tested below.
        with pytest.raises(ShapeError):
            accept(layer, shapes)
        return
    try:
        inputs = drawn_point(layer, shapes, dtype=torch.float32).inputs
        with torch.no_grad():
            output = build(layer).eval()(*inputs)
    except (RuntimeError, AssertionError, IndexError):
        with pytest.raises(ShapeError):
            accept(layer, shapes)
    else:
        assert accept(layer, shapes) == tuple(output.shape)


@given(either)
def test_parameters_are_torchs(drawn: tuple[Layer, Shapes]) -> None:
    layer, _ = drawn
    assert layer.parameters() == {name: tuple(p.shape) for name, p in build(layer).named_parameters()}


@given(either)
def test_macs_are_half_of_torchs_flops(drawn: tuple[Layer, Shapes]) -> None:
    """Torch's counter knows the parts of an attention, and of fused kernels only those for a GPU."""
    layer, shapes = drawn
    inputs = drawn_point(layer, shapes, dtype=torch.float32).inputs
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        build(layer)(*inputs)
    assert 2 * layer.macs(*shapes) == counter.get_total_flops()


@given(either)
def test_reads_what_it_prints(drawn: tuple[Layer, Shapes]) -> None:
    layer, _ = drawn
    assert parse_layer(str(layer)) == layer
    assert " " not in layer.label()


@given(either)
def test_the_input_that_is_made_up_fits(drawn: tuple[Layer, Shapes]) -> None:
    layer, _ = drawn
    assert accept(layer, layer.example_inputs())


PRINTED = {
    "scaled_dot_product_attention()": "scaled_dot_product_attention()",
    "scaled_dot_product_attention(None, 0.0, True)": "scaled_dot_product_attention(is_causal=True)",
    "scaled_dot_product_attention(attn_mask=bool, scale=2)": "scaled_dot_product_attention(attn_mask=bool, scale=2.0)",
    "nn.MultiheadAttention(8, 2)": "MultiheadAttention(embed_dim=8, num_heads=2)",
    "MultiheadAttention(8, 2, 0.1, False)": "MultiheadAttention(embed_dim=8, num_heads=2, dropout=0.1, bias=False)",
}


@pytest.mark.parametrize(("written", "printed"), PRINTED.items())
def test_only_what_is_unusual_is_printed(written: str, printed: str) -> None:
    assert str(parse_layer(written)) == printed


REFUSED = {
    "dropout of an operation": ("scaled_dot_product_attention(dropout_p=0.1)", "dropped at random cannot be compared"),
    "a mask that is no kind": ("scaled_dot_product_attention(attn_mask=True)", "bool or float, the kind of mask"),
    "causal and a mask": ("scaled_dot_product_attention(attn_mask=bool, is_causal=True)", "attn_mask needs to be None"),
    "causal and a scale below 0": ("scaled_dot_product_attention(is_causal=True, scale=-1)", "needs to be above 0"),
    "an endless scale": ("scaled_dot_product_attention(scale=1e999)", "a number between -1e300 and 1e300"),
    "too large a scale": ("scaled_dot_product_attention(scale=-1e300)", "a number between -1e300 and 1e300"),
    "heads that do not divide": ("MultiheadAttention(8, 3)", "num_heads is 3 and must divide embed_dim, which is 8"),
    "no probability": ("MultiheadAttention(8, 2, dropout=2)", "a number between 0 and 1"),
    "no features": ("MultiheadAttention(8, 2, kdim=0)", "a whole number at least 1"),
}


@pytest.mark.parametrize(("written", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_arguments(written: str, message: str) -> None:
    with pytest.raises(LayerError) as error:
        parse_layer(written)
    assert message in str(error.value)


MISFITS = {
    "lengths of key and value": ("", ((3, 4), (5, 4), (6, 4)), "key [5, 4] and value [6, 4] need the same length"),
    "the same of torch's fused kernel": ("", ((1, 1, 3, 4), (1, 1, 5, 4), (1, 1, 6, 4)), "need the same length"),
    "a mask of one axis": ("attn_mask=bool", ((3, 4), (5, 4), (5, 4), (5,)), "the scores, [3, 5], and to have two"),
    "a mask that is missing": ("attn_mask=bool", ((3, 4), (5, 4), (5, 4)), "takes 4 inputs, and 3 were given"),
    "a mask that is not declared": ("", ((3, 4), (5, 4), (5, 4), (3, 5)), "takes 3 inputs, and 4 were given"),
    "heads": ("enable_gqa=True", ((4, 3, 4), (3, 5, 4), (3, 5, 4)), "the 3 heads of [3, 5, 4] need to divide the 4"),
}


@pytest.mark.parametrize(("arguments", "shapes", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_says_which_shapes_would_do(arguments: str, shapes: Shapes, message: str) -> None:
    with pytest.raises(ShapeError) as error:
        accept(parse_layer(f"scaled_dot_product_attention({arguments})"), shapes)
    assert message in str(error.value)
