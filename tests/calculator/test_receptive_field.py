"""Receptive fields and jumps are what gradients say."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from convcheck.calculator.receptive_field import ReceptiveField, receptive_fields
from convcheck.errors import ShapeError
from convcheck.layers import ConvTranspose, Layer, Sequential, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.paths import START, Path
from convcheck.sizes.windows import Step, TransposedWindow, Window

LENGTH = 160
MOST = 60
"""The widest receptive field that leaves outputs in the middle free of what happens at the borders."""


@st.composite
def steps(draw: st.DrawFn) -> Layer:
    """Draw a layer along one axis, of one channel."""
    kernel, stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, 2))
    return parse_layer(
        draw(
            st.sampled_from(
                [
                    f"Conv1d(1, 1, {kernel}, {stride}, {padding}, {dilation})",
                    f"Conv1d(1, 1, {kernel}, padding='same', dilation={dilation})",
                    f"ConvTranspose1d(1, 1, {kernel}, {stride}, {padding}, dilation={dilation})",
                    f"AvgPool1d({kernel}, {stride}, {min(padding, kernel // 2)})",
                    "BatchNorm1d(1)",
                    "Softplus()",
                    "Dropout1d(0.5)",
                ]
            )
        )
    )


def read_by(module: nn.Module, length: int, output: int) -> tuple[int, int] | None:
    """Return the first and the last input on which an output depends."""
    x = torch.ones(1, 1, length, dtype=torch.float64, requires_grad=True)
    module(x)[..., output].sum().backward()
    assert x.grad is not None
    found = x.grad.flatten().nonzero().flatten()
    return (int(found[0]), int(found[-1])) if len(found) else None


@given(st.lists(steps(), min_size=1, max_size=4))
def test_an_output_reads_as_far_as_is_said_and_its_neighbours_begin_a_jump_apart(layers: list[Layer]) -> None:
    chain = Sequential("Sequential", tuple(layers))
    try:
        through = chain.through((1, 1, LENGTH))
    except ShapeError:
        return
    last = list(receptive_fields(layers, [(shape,) for shape in through[:-1]]))[-1]
    # What treats every entry by itself does not say which axes are spatial.
    assume(last)
    (reach,) = last
    assert reach.field is not None
    assert reach.jump is not None
    period = reach.jump.denominator
    for layer in layers:
        period *= layer.stride[0] if isinstance(layer, ConvTranspose) else 1
    middle = through[-1][-1] // 2 - period
    assume(reach.field <= MOST and period <= 36 and middle >= 0 and min(each[-1] for each in through) > 2)
    assume(2 * (period + 1) * reach.jump + MOST < LENGTH // 2)
    module = build(chain, torch.float64).eval()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    seen = [read_by(module, LENGTH, output) for output in range(middle, middle + 2 * period)]
    # Near a border of some layer in between, less is read.
    assume(all(ends is None or (ends[0] > MOST // 2 and ends[1] < LENGTH - MOST // 2) for ends in seen))
    widest = max((ends[1] - ends[0] + 1 for ends in seen if ends), default=0)
    assert widest == reach.field
    for ends, later in zip(seen[:period], seen[period:], strict=True):
        if ends is not None and later is not None:
            assert later[0] - ends[0] == period * reach.jump


def rows(shape: tuple[int, ...] | tuple[tuple[int, ...], ...], *texts: str) -> list[tuple[ReceptiveField, ...]]:
    layers = [parse_layer(text) for text in texts]
    inputs: list[tuple[tuple[int, ...], ...]] = [shape if isinstance(shape[0], tuple) else (shape,)]  # type: ignore[list-item]
    for layer in layers:
        inputs.append((layer.output_shape(*inputs[-1]),))
    return list(receptive_fields(layers, inputs[:-1]))


def same(axes: int, size: int | None, step: Fraction | int | None) -> tuple[ReceptiveField, ...]:
    return (ReceptiveField(size, None if step is None else Fraction(step)),) * axes


VIT = "Conv2d(3, 8, 4, stride=4)"
KNOWN = {
    # The first rows of A. Araujo et al., Distill, 2019, table 1, for VGG; ResNet's stem by hand.
    "two convolutions, then a pooling": (
        ((1, 3, 32, 32), "Conv2d(3, 4, 3, padding=1)", "ReLU()", "Conv2d(4, 4, 3, padding=1)", "MaxPool2d(2)"),
        [same(2, 3, 1), same(2, 3, 1), same(2, 5, 1), same(2, 6, 2)],
    ),
    "the stem of a ResNet": (
        ((1, 3, 64, 64), "Conv2d(3, 4, 7, 2, 3)", "BatchNorm2d(4)", "MaxPool2d(3, 2, 1)", "Conv2d(4, 4, 3, padding=1)"),
        [same(2, 7, 2), same(2, 7, 2), same(2, 11, 4), same(2, 19, 4)],
    ),
    "axes of their own": (
        ((3, 9, 64, 64), "Conv3d(3, 4, (3, 7, 1), stride=(1, 2, 4))"),
        [(ReceptiveField(3, Fraction(1)), ReceptiveField(7, Fraction(2)), ReceptiveField(1, Fraction(4)))],
    ),
    "sub-pixels, and back": (
        ((1, 4, 8, 8), "PixelShuffle(2)", "Conv2d(1, 1, 2)", "Conv2d(1, 1, 2)", "PixelUnshuffle(2)"),
        # Three sub-pixels lie on two pixels, and so do two of them where they begin on an odd one.
        [same(2, 1, Fraction(1, 2)), same(2, 2, Fraction(1, 2)), same(2, 2, Fraction(1, 2)), same(2, 2, 1)],
    ),
    "tokens of patches, and attention": (
        ((1, 3, 32, 32), VIT, "Flatten(2)", "rearrange('b c n -> b n c')", "Linear(8, 8)")
        + ("MultiheadAttention(8, 2, batch_first=True)", "Linear(8, 8)"),
        [same(2, 4, 4)] * 4 + [same(2, 32, None)] * 2,
    ),
    "a classifier reads all": (
        ((1, 3, 32, 32), VIT, "Flatten()", "Linear(512, 10)", "ReLU()"),
        [same(2, 4, 4)] + [same(2, 32, None)] * 3,
    ),
    "patches cut out and put together by einops": (
        ((1, 3, 32, 32), "rearrange('b c (h p) (w q) -> b h w (p q c)', p=4, q=4)", "Linear(48, 48)")
        + ("rearrange('b h w (p q c) -> b c (h p) (w q)', p=4, q=4)", "Conv2d(3, 3, 3)"),
        [same(2, 4, 4)] * 2 + [same(2, 4, 1), same(2, 8, 1)],
    ),
    "holes that a shift moves under every tap": (
        ((1, 1, 20), "ConvTranspose1d(1, 1, 1, stride=2)", "Conv1d(1, 1, 1, padding=1)", "Conv1d(1, 1, 1, stride=2)"),
        [same(1, 1, Fraction(1, 2))] * 2 + [same(1, 0, 1)],
    ),
    "channels last": (((1, 9, 9, 3), "Patchify(3, 8, 2, 3, stride=2)", "Linear(8, 8)"), [same(2, 3, 2)] * 2),
    "channels last, and back": (
        ((1, 9, 9, 3), "Patchify(3, 8, 2, 2)", "Unpatchify(8, 3, 2, 2)"),
        [same(2, 2, 2), same(2, 2, 1)],
    ),
    "im2col": (((1, 3, 8, 8), "Unfold(3, stride=2)", "ReLU()"), [same(2, 3, 2)] * 2),
    "im2col of one image": (((3, 8, 8), "Unfold(3, stride=2)", "ReLU()"), [same(2, 3, 2)] * 2),
    "folded columns, of which it cannot be told": (
        ((1, 3, 8, 8), "Unfold(2, stride=2)", "Fold(8, 2, stride=2)", "Conv2d(3, 3, 3)"),
        [same(2, 2, 2), same(2, None, None), same(2, None, None)],
    ),
    "a decoder whose input has no space": (
        ((1, 8), "Linear(8, 32)", "Unflatten(1, (2, 4, 4))", "ConvTranspose2d(2, 2, 2, 2)"),
        [(), (), ()],
    ),
    "tokens alone have no axis in space": (((1, 7, 8), "Linear(8, 3)"), [()]),
    "keys": ((((1, 2, 5, 8), (1, 2, 7, 8), (1, 2, 7, 8)), "scaled_dot_product_attention()"), [same(1, 7, None)]),
    "statistics of the batch": (
        ((2, 3, 9, 9), "Conv2d(3, 3, 3)", "BatchNorm2d(3, track_running_stats=False)"),
        [same(2, 3, 1), same(2, 9, None)],
    ),
    "a softmax over rows": (
        ((2, 3, 9, 8), "Conv2d(3, 3, 3)", "Softmax(2)"),
        [same(2, 3, 1), (ReceptiveField(9, None), ReceptiveField(3, Fraction(1)))],
    ),
    "a chain within a chain": (
        ((1, 3, 32, 32), "Sequential(Conv2d(3, 4, 3), MaxPool2d(2))", "Conv2d(4, 4, 3)"),
        [same(2, 4, 2), same(2, 8, 2)],
    ),
    "an axis of one more channel": (((1, 9), "Flatten(0)", "Unflatten(0, (1, 9))", "Conv1d(1, 2, 3)"), [()] * 3),
}


@pytest.mark.parametrize(("written", "expected"), KNOWN.values(), ids=KNOWN)
def test_reach(written: tuple[tuple[int, ...], *tuple[str, ...]], expected: list[tuple[ReceptiveField, ...]]) -> None:
    assert rows(*written) == expected


def along(*steps: Step) -> Path:
    path = START
    for step in steps:
        path = path.then(step)
    return path


def test_strides_without_end_take_no_time() -> None:
    """Nothing counts taps or outputs one by one: these would run for hours."""
    huge = 10**9
    assert along(Window(huge, huge, 1, 0, 0), TransposedWindow(huge, huge, 1, 0, 0)).field == huge
    assert along(TransposedWindow(huge, huge, huge - 1, 0, 0), Window(2, huge, 1, 0, 0)).field >= 2
    assert along(Window(huge, 1, 1, 0, 0), TransposedWindow(huge, 500, 3, 0, 0), Window(huge, 7, 2, 0, 0)).field > huge
    assert along(Window(1, 2, 1, 0, 0), TransposedWindow(1, 3, 1, 0, 0)).jump == Fraction(2, 3)
