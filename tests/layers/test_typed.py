"""What people type that is no layer of torch: arithmetic, names of keras, channels last."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcheck.errors import LayerError, ShapeError
from convcheck.layers import parse_layer
from convcheck.layers.families import kind_names
from convcheck.layers.text.arithmetic import computed
from convcheck.layers.text.keras_names import IN_TORCH
from convcheck.layers.torch_names import torch_names
from convcheck.sizes.limits import MAX_INT64

SUMS = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner).map(
        lambda t: f"({' '.join(t)})"
    ),
    max_leaves=6,
)


@given(SUMS)
def test_arithmetic_is_pythons(text: str) -> None:
    number = computed(ast.parse(text, mode="eval").body)
    try:
        # Six numbers below 100 are less than a length may be, whatever is done to them.
        assert number == eval(text)
    except ZeroDivisionError:
        assert number is None


COMPUTED = {
    "Linear(16 * 5 * 5, 120)": "Linear(400, 120)",
    "Conv2d(3, 2**6, (2 + 1, 7), padding=(3 // 2, -(-6 // 2)))": "Conv2d(3, 64, (3, 7), padding=(1, 3))",
    "Unflatten(1, (4 * 2, 7))": "Unflatten(1, (8, 7))",
}


@pytest.mark.parametrize(("written", "plain"), COMPUTED.items(), ids=COMPUTED)
def test_numbers_are_computed(written: str, plain: str) -> None:
    assert parse_layer(written) == parse_layer(plain)


@pytest.mark.parametrize("text", ["9**9**9", "2**(2**40)", "2**64", "1 << 3", "8 / 2", "k * 2", "True + 1", "1 // 0"])
def test_nothing_else_is_computed(text: str) -> None:
    assert computed(ast.parse(text, mode="eval").body) is None
    with pytest.raises(LayerError, match="nothing is computed here"):
        parse_layer(f"Conv2d(3, {text}, 3)")
    assert MAX_INT64 == 2**63 - 1


@pytest.mark.parametrize("prefix", ["", "layers.", "keras.layers.", "tf.keras.layers."])
def test_a_layer_of_keras_is_named_in_torch(prefix: str) -> None:
    with pytest.raises(LayerError, match=re.escape("Conv2D is keras's; in torch it is Conv2d(in_channels")):
        parse_layer(f"{prefix}Conv2D(64, 3, activation='relu')")


def test_what_keras_has_is_a_layer_of_torch_by_another_name() -> None:
    for theirs, ours in IN_TORCH.items():
        assert theirs not in kind_names()
        name = re.findall(r"\w+", ours)[0]
        assert name in {*torch_names(), "rearrange", "a"}, theirs


def test_channels_that_come_last_are_asked_about() -> None:
    layer = parse_layer("Conv2d(3, 8, 3)")
    with pytest.raises(ShapeError, match=re.escape("torch takes them first, as [1, 3, 224, 224]")):
        layer.output_shape((1, 224, 224, 3))
    with pytest.raises(ShapeError, match=r"has 224$"):
        layer.output_shape((1, 224, 3, 224))
