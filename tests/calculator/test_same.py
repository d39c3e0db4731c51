"""'same' written out: torch's convention is its padding='same' with outputs left out, TensorFlow's pads least."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from typer.testing import Result

from convcheck.calculator.answers import Padded
from convcheck.calculator.questions.same import same_for, tensorflow
from convcheck.errors import ShapeError, UsageError
from convcheck.layers import Conv, MaxPool, Pool, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.windows import span
from tests.calculator.test_answers import words
from tests.calculator.test_inputs import chain
from tests.strategies.layers import convs, pools

pytestmark = pytest.mark.kernels

Run = Callable[..., Result]


@st.composite
def padless(draw: st.DrawFn) -> tuple[Conv, tuple[int, ...]]:
    """Draw a convolution and an input that is long enough for what its padding copies."""
    layer = draw(convs())
    space = draw(st.lists(st.integers(10, 16), min_size=layer.dims, max_size=layer.dims))
    return replace(layer, padding=(0,) * layer.dims), (1, layer.in_channels, *space)


def built(padded: Padded) -> nn.Module:
    """Return the module that the answer writes, with the same weights every time."""
    torch.manual_seed(0)
    module = eval(padded.layer, {"nn": nn}).double().eval()
    assert isinstance(module, nn.Module)
    return module


def like(layer: Conv | Pool, padded: Padded) -> nn.Module:
    """Return a layer with the weights that the answer's module has."""
    module = build(layer, torch.float64).eval()
    module.load_state_dict({name.split(".")[-1]: value for name, value in built(padded).state_dict().items()})
    return module


def run(padded: Padded, layer: Conv | Pool, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the layer of the answer makes, and the layer without padding behind the answer's F.pad."""
    none = (0,) * layer.dims
    if isinstance(layer, Conv):
        bare: Conv | Pool = replace(layer, padding=none)
    else:
        bare = replace(layer, padding=none if isinstance(layer.padding, tuple) else 0, ceil_mode=False)
    with torch.no_grad():
        return built(padded)(x), like(bare, padded)(eval(padded.pad, {"F": functional, "x": x}))


@given(padless())
def test_torchs_convention_is_its_same_with_every_stride_th_output(drawn: tuple[Conv, tuple[int, ...]]) -> None:
    layer, shape = drawn
    answer = same_for([layer], shape)
    x = torch.randn(shape, dtype=torch.float64)
    output, behind = run(answer.torch, layer, x)
    torch.testing.assert_close(output, behind)
    with torch.no_grad():
        every = like(replace(layer, stride=(1,) * layer.dims, padding="same"), answer.torch)(x)
    torch.testing.assert_close(output, every[(..., *(slice(None, None, step) for step in layer.stride))])
    assert tuple(output.shape) == answer.torch.output


WIDE = 12
"""Zeros on either side, more than any of these windows reaches."""


@given(padless())
def test_tensorflows_windows_start_where_its_padding_says(drawn: tuple[Conv, tuple[int, ...]]) -> None:
    layer, shape = drawn[0], drawn[1]
    layer = replace(layer, padding_mode="zeros")
    answer = same_for([layer], shape)
    assert answer.tensorflow is not None
    x = torch.randn(shape, dtype=torch.float64)
    output, behind = run(answer.tensorflow, layer, x)
    torch.testing.assert_close(output, behind)
    assert tuple(output.shape) == answer.tensorflow.output == answer.torch.output
    pads = answer.tensorflow.pads
    for axis, ours in answer.torch.pads.items():
        assert ours[0] - pads[axis][0] == answer.shift.get(axis, 0)
    with torch.no_grad():
        every = like(replace(layer, stride=(1,) * layer.dims), answer.tensorflow)(
            functional.pad(x, (WIDE,) * 2 * layer.dims)
        )
    starts = zip(pads.values(), layer.stride, output.shape[2:], strict=True)
    picked = (slice(WIDE - before, WIDE - before + step * count, step) for (before, _), step, count in starts)
    torch.testing.assert_close(output, every[(..., *picked)])


@given(pools(), st.data())
def test_pools_are_padded_with_what_does_not_win(layer: Pool, data: st.DataObject) -> None:
    shape = (1, 2, *data.draw(st.lists(st.integers(5, 9), min_size=layer.dims, max_size=layer.dims)))
    if getattr(layer, "return_indices", False):
        layer = replace(layer, return_indices=False)  # type: ignore[call-arg]
    answer = same_for([layer], shape)
    x = -1 - torch.rand(shape, dtype=torch.float64)
    for padded in (answer.torch, answer.tensorflow):
        assert padded is not None
        output, behind = run(padded, layer, x)
        assert tuple(output.shape) == tuple(behind.shape) == padded.output
        if isinstance(layer, MaxPool):
            torch.testing.assert_close(output, behind)
            assert output.max() < 0


@given(st.integers(1, 60), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_tensorflow_pads_least_for_as_many_outputs_as_the_length_by_the_stride(
    length: int, kernel: int, stride: int, dilation: int
) -> None:
    layer = parse_layer(f"Conv1d(1, 1, {kernel}, {stride}, dilation={dilation})")
    assert isinstance(layer, Conv)
    before, after = tensorflow(layer.windows[0], length)
    outputs = math.ceil(length / stride)
    total = length + before + after - span(kernel, dilation)
    assert after - before in (0, 1)
    assert total // stride + 1 == outputs
    assert before + after == 0 or (total - 1) // stride + 1 < outputs
    found = [each for each in same_for([layer], None).remainders if each.first <= length % stride <= each.last]
    assert [each.pads for each in found] == [(before, after)]


def test_what_the_layers_own_padding_can_say_is_said_by_it() -> None:
    answer = same_for(chain("Conv2d(3, 8, 3, stride=2)"), (1, 3, 224, 223))
    assert answer.torch.own == (1, 1)
    assert answer.torch.layer == "nn.Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))"
    assert answer.tensorflow is not None
    assert answer.tensorflow.own is None
    assert answer.tensorflow.pad == "F.pad(x, (1, 1, 0, 1))"
    assert answer.shift == {"h": 1}


def test_a_pool_says_with_ceil_mode_what_is_padded_behind_alone() -> None:
    answer = same_for(chain("MaxPool2d(2)"), (3, 7, 9))
    assert answer.torch.layer == "nn.MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=True)"


REFUSED = {
    "a chain": (["Conv1d(1, 1, 3)", "MaxPool1d(2)"], None, UsageError, "about one convolution or pool"),
    "another kind": (["Linear(3, 4)"], None, UsageError, "about one convolution or pool, and not about Linear"),
    "too little to copy": (
        ["Conv1d(1, 1, 9, padding_mode='reflect')"],
        (1, 4),
        ShapeError,
        "cannot pad axis l of length 4 by 4; it reaches 3 at most; for this padding l must be at least 5",
    ),
    "other channels": (["Conv1d(3, 1, 9)"], (1, 9), ShapeError, "takes 3 input channels"),
}


@pytest.mark.parametrize(("texts", "shape", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_said_is_refused(
    texts: list[str], shape: tuple[int, ...] | None, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as error:
        same_for(chain(*texts), shape)
    assert message in str(error.value)


PRINTED = {
    "both": (
        ["Conv2d(3, 64, 3, stride=2)", "-i", "1,3,224,225"],
        "torch (1, 1) (1, 1) (1, 1) [1, 64, 112, 113]\n"
        "tensorflow (0, 1) (1, 1) cannot say it [1, 64, 112, 113]\n\n"
        "torch nn.Conv2d(3, 64, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))\n"
        "F.pad(x, (1, 1, 1, 1)) for a layer without padding\n\n"
        "tensorflow nn.Sequential(nn.ZeroPad2d((1, 1, 0, 1)), nn.Conv2d(3, 64, kernel_size=(3, 3), stride=(2, 2)))\n"
        "F.pad(x, (1, 1, 0, 1)) for a layer without padding\n\n"
        "tensorflow's windows start 1 later on h",
    ),
    "every remainder": (
        ["Conv1d(3, 64, 5, stride=3)"],
        "axis remainder is before, after\nl l % 3 0 (1, 1)\nl l % 3 1 (2, 2)\nl l % 3 2 (1, 2)",
    ),
    "remainders without padding": (
        ["Conv1d(3, 64, 2, stride=8)"],
        "l l % 8 0 (0, 0)\nl l % 8 1 (0, 1)\nl l % 8 2 to 7 (0, 0)",
    ),
    "what averages count": (["AvgPool1d(3, 2)", "-i", "1,9"], "note: zeros of F.pad or ZeroPad count in an average"),
}


@pytest.mark.parametrize(("asked", "printed"), PRINTED.values(), ids=PRINTED)
def test_prints(convcheck: Run, asked: list[str], printed: str) -> None:
    result = convcheck("shape", *asked, "--same")
    assert printed in words(result.stdout)
    assert result.exit_code == 0


def test_json_has_both_conventions(convcheck: Run) -> None:
    found = json.loads(convcheck("shape", "Conv1d(3, 8, 3, stride=2)", "-i", "3,8", "--same", "-f", "json").stdout)
    assert (found["question"], found["shift"]) == ("same", {"l": 1})
    assert found["torch"]["pads"] == {"l": [1, 1]}
    assert found["tensorflow"] == {
        "pads": {"l": [0, 1]},
        "output": [8, 4],
        "own": None,
        "layer": "nn.Sequential(nn.ZeroPad1d((0, 1)), nn.Conv1d(3, 8, kernel_size=(3,), stride=(2,)))",
        "pad": "F.pad(x, (0, 1))",
    }
