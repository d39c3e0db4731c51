"""Asked backwards, a layer or a chain answers with every input that gives the output, and with no other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convcheck
from convcheck.calculator.answers import Inputs, Ranges
from convcheck.calculator.inverse.ranges import TooManyError, divisors, factors
from convcheck.calculator.questions.inputs import inputs_for
from convcheck.errors import ConvcheckError, ShapeError, UsageError
from convcheck.layers import Flatten, Layer, Sequential, parse_layer
from convcheck.sizes.patterns import Shape
from tests.strategies.chains import patches, rearrangements
from tests.strategies.layers import FAMILIES, shapes

LONGEST = 70


def chain(*texts: str) -> list[Layer]:
    return [parse_layer(text) for text in texts]


def made(layers: list[Layer], shape: Shape) -> Shape | None:
    try:
        return Sequential("Sequential", tuple(layers)).output_shape(shape)
    except ShapeError:
        return None


def within(box: Mapping[str, Ranges], shape: Shape) -> bool:
    return len(box) == len(shape) and all(
        any(first <= length <= last for first, last in ranges)
        for ranges, length in zip(box.values(), shape, strict=True)
    )


def told(answer: Inputs, shape: Shape) -> bool:
    inside = [within(box, shape) for box in answer.inputs]
    assert sum(inside) < 2, "no input is told twice"
    return any(inside)


def merged_to(layer: Flatten, rank: int) -> int | None:
    """Return how many axes are left of so many."""
    output = made([layer], (1,) * rank)
    return None if output is None else len(output)


EVERY = {**FAMILIES, "patchify": patches("Patchify"), "unpatchify": patches("Unpatchify")}


@pytest.mark.parametrize("drawn", EVERY.values(), ids=EVERY.keys())
@given(data=st.data())
def test_of_every_kind_just_the_inputs_that_give_the_output_are_told(
    drawn: st.SearchStrategy[object], data: st.DataObject
) -> None:
    layer = data.draw(drawn)
    if isinstance(layer, tuple):
        layer, (shape,) = layer
    else:
        assert isinstance(layer, Layer)
        (shape,) = data.draw(shapes(layer))
    output = made([layer], shape)
    if output is None:
        return
    if isinstance(layer, Flatten) and len([rank for rank in range(1, 9) if merged_to(layer, rank) == len(output)]) > 1:
        with pytest.raises(UsageError, match="put the layer that makes its input before it"):
            inputs_for([layer], output)
        return
    answer = inputs_for([layer], output)
    assert told(answer, shape)
    for axis in range(len(shape)):
        for length in range(1, 30):
            other = (*shape[:axis], length, *shape[axis + 1 :])
            assert told(answer, other) == (made([layer], other) == output), other
    for box in answer.inputs:
        for corner in itertools.islice(itertools.product(*({r[0][0], r[-1][1]} for r in box.values())), 64):
            assert made([layer], corner) == output, corner


@given(rearrangements())
def test_a_rearrangement_tells_its_input(drawn: tuple[Layer, tuple[Shape, ...]]) -> None:
    layer, (shape,) = drawn
    answer = inputs_for([layer], layer.output_shape(shape))
    assert told(answer, shape)
    for axis in range(len(shape)):
        for length in range(1, 13):
            other = (*shape[:axis], length, *shape[axis + 1 :])
            assert told(answer, other) == (made([layer], other) == answer.output), other


@st.composite
def lines(draw: st.DrawFn) -> list[Layer]:
    """Draw a chain of one channel along one axis."""

    def number(least: int, most: int) -> int:
        return draw(st.integers(least, most))

    layers = []
    for _ in range(number(1, 4)):
        kind = draw(st.sampled_from(["Conv1d", "ConvTranspose1d", "MaxPool1d", "AvgPool1d", "BatchNorm1d"]))
        kernel, stride, dilation = number(1, 4), number(1, 4), number(1, 3)
        if kind == "BatchNorm1d":
            text = f"BatchNorm1d(1, track_running_stats={draw(st.booleans())})"
        elif kind == "Conv1d":
            mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
            text = f"Conv1d(1, 1, {kernel}, {stride}, {number(0, 3)}, {dilation}, padding_mode={mode})"
        elif kind == "ConvTranspose1d":
            more = number(0, max(stride, dilation) - 1)
            text = f"ConvTranspose1d(1, 1, {kernel}, {stride}, {number(0, 3)}, {more}, dilation={dilation})"
        else:
            text = f"{kind}({kernel}, {stride}, {number(0, kernel // 2)}, ceil_mode={draw(st.booleans())})"
        layers.append(parse_layer(text))
    return layers


@given(lines(), st.integers(1, 40))
def test_of_a_chain_just_the_inputs_that_give_the_output_are_told(layers: list[Layer], asked: int) -> None:
    answer = inputs_for(layers, (1, 1, asked))
    gives = {length: made(layers, (1, 1, length)) for length in range(1, LONGEST)}
    for length, output in gives.items():
        assert told(answer, (1, 1, length)) == (output == (1, 1, asked))
    lengths = {length: output[-1] for length, output in gives.items() if output}
    for near in answer.nearest:
        assert (near.axis, near.asked) == ("l", asked)
        below = [output for output in lengths.values() if output < asked]
        above = [output for output in lengths.values() if output > asked]
        for there, those in ((near.below, below and max(below)), (near.above, above and min(above))):
            assert there is not None or not those
            if there is None:
                continue
            assert there.axis == "l"
            assert there.input is not None
            where = {n for first, last in there.input for n in range(first, last + 1) if n < LONGEST}
            assert where == {n for n, output in lengths.items() if output == there.output}
            # What is not in sight here is beyond all that is.
            assert there.output == those if where else there.output > max(lengths.values(), default=0)
    if not answer.inputs:
        assert answer.nearest or answer.reasons


def test_a_chain_that_can_give_nothing_near_by_says_so_on_one_side() -> None:
    (near,) = inputs_for(chain("ConvTranspose1d(1, 1, 7, stride=5)"), (1, 1, 3)).nearest
    assert near.below is None
    assert near.above is not None
    assert (near.above.output, near.above.input) == (7, ((1, 1),))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_what_padding_copies_has_to_be_there(mode: str) -> None:
    for kernel, stride, pad in itertools.product(range(1, 4), range(1, 5), range(4)):
        layers = chain(f"Conv1d(1, 1, {kernel}, {stride}, {pad}, padding_mode={mode})")
        gives = {length: made(layers, (1, length)) for length in range(1, 20)}
        for output in range(1, 5):
            answer = inputs_for(layers, (1, output))
            assert {n for n in gives if told(answer, (1, n))} == {n for n in gives if gives[n] == (1, output)}


@st.composite
def images(draw: st.DrawFn) -> list[Layer]:
    """Draw a chain of images, alike along both axes; PixelUnshuffle and Patchify leave gaps."""
    texts, channels = [], 4
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["shuffle", "unshuffle", "conv", "pool", "up"]))
        kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        if kind == "shuffle" and channels % 4 == 0:
            texts.append("PixelShuffle(2)")
            channels //= 4
        elif kind == "unshuffle":
            texts.append("PixelUnshuffle(2)")
            channels *= 4
        elif kind == "pool":
            texts.append(f"MaxPool2d({kernel}, {stride}, ceil_mode=True)")
        elif kind == "up":
            texts.append(f"ConvTranspose2d({channels}, 4, {kernel}, {stride})")
            channels = 4
        else:
            texts.append(f"Conv2d({channels}, 4, {kernel}, {stride}, 1, padding_mode=reflect)")
            channels = 4
    return chain(*texts)


@given(images(), st.integers(1, 14))
def test_gaps_between_the_lengths_are_told_exactly(layers: list[Layer], asked: int) -> None:
    channels = next((output[1] for n in range(1, LONGEST) if (output := made(layers, (2, 4, n, n))) is not None), None)
    if channels is None:
        return
    answer = inputs_for(layers, (2, channels, asked, asked))
    for length in range(1, LONGEST):
        assert told(answer, (2, 4, length, length)) == (made(layers, (2, 4, length, length)) == answer.output)


MERGING = {
    "a classifier": (chain("Conv2d(1, 2, 3)", "MaxPool2d(2)", "Flatten()", "Linear(24, 5)"), 1, (1, 5)),
    "one without a batch": (chain("Conv2d(1, 2, 3)", "Flatten(0)", "Linear(24, 5)"), 1, (5,)),
    "a padded one": (chain("Conv2d(1, 3, 3, stride=2, padding=1)", "Flatten()"), 1, (1, 36)),
    "shuffled before": (chain("Conv2d(1, 4, 3)", "PixelShuffle(2)", "Flatten()", "Linear(48, 5)"), 1, (1, 5)),
    "a norm between": (chain("Conv2d(1, 2, 3)", "BatchNorm2d(2)", "Flatten(2)", "Conv1d(2, 3, 5)"), 1, (1, 3, 2)),
    "tokens": (chain("Conv2d(1, 6, 2, stride=2)", "rearrange('b c h w -> b (h w) c')", "Linear(6, 3)"), 1, (1, 12, 3)),
    "tokens of patches": (
        chain("rearrange('b c (h p) (w q) -> b (h w) (p q c)', p=2, q=3)", "Linear(6, 3)"),
        1,
        (1, 6, 3),
    ),
    "unfolded": (chain("Conv2d(1, 2, 3)", "Unfold(2, stride=2)", "Flatten()"), 1, (1, 48)),
    "folded": (chain("Unfold(2)", "Fold((4, 5), 2)"), 1, (1, 1, 4, 5)),
    "split again": (
        chain("Conv2d(1, 2, 3)", "Flatten()", "Unflatten(1, (2, 3, -1))", "Flatten(2)"),
        1,
        (1, 2, 12),
    ),
    "statistics of the batch": (chain("MaxPool2d(2)", "BatchNorm2d(1, track_running_stats=False)"), 1, (1, 1, 1, 1)),
    "no such features": (chain("Conv2d(1, 2, 3)", "Flatten()", "Linear(25, 5)"), 1, (1, 5)),
}


@pytest.mark.parametrize(("layers", "channels", "output"), MERGING.values(), ids=MERGING)
def test_where_axes_become_one_every_pair_of_lengths_is_told(layers: list[Layer], channels: int, output: Shape) -> None:
    answer = inputs_for(layers, output)
    found = 0
    for height, width in itertools.product(range(1, 30), repeat=2):
        for shape in ((1, channels, height, width), (channels, height, width)):
            assert told(answer, shape) == (made(layers, shape) == output), shape
            found += told(answer, shape)
    assert bool(found) == bool(answer.inputs)


def test_statistics_of_the_batch_leave_out_one_value_alone() -> None:
    layers = chain("MaxPool1d(2)", "BatchNorm1d(1, track_running_stats=False)")
    assert not inputs_for(layers, (1, 1, 1)).inputs
    assert told(inputs_for(layers, (2, 1, 1)), (2, 1, 3))


def test_python_has_the_same_answer() -> None:
    assert convcheck.inputs_for("Conv1d(3, 8, 3, stride=2)", (8, 5)) == ({"i": ((3, 3),), "l": ((11, 12),)},)
    assert convcheck.inputs_for("ConvTranspose1d(3, 8, 2, stride=2)", "8,5") == ()


def test_attention_of_one_input_keeps_its_shape() -> None:
    answer = inputs_for(chain("Linear(3, 8)", "MultiheadAttention(8, 2)"), (5, 2, 8))
    assert [*answer.inputs[0].values()] == [((5, 5),), ((2, 2),), ((3, 3),)]


@given(st.integers(1, 3000))
def test_divisors_are_those_that_divide(number: int) -> None:
    assert divisors(number) == [n for n in range(1, number + 1) if number % n == 0]


@given(st.integers(1, 200), st.lists(st.one_of(st.none(), st.integers(1, 4)), max_size=3))
def test_factors_are_all_rows_with_the_product(number: int, among: list[int | None]) -> None:
    rows = itertools.product(*([n] if n else range(1, number + 1) for n in among)) if number <= 40 else ()
    found = list(factors(number, among))
    assert len(set(found)) == len(found)
    assert all(prod(row) == number for row in found)
    if number <= 40:
        assert set(found) == {row for row in rows if prod(row) == number}


REFUSED = {
    "a product": ("mm()", (2, 3), "mm() takes 2 inputs; only layers of one input can be asked about"),
    "attention": ("scaled_dot_product_attention()", (2, 3), "takes 3 inputs"),
    "attention of three inputs": (
        "MultiheadAttention(8, 2, kdim=3)",
        (5, 8),
        "takes 3 inputs, which an output's shape",
    ),
    "axes merged by themselves": ("Flatten()", (1, 8), "put the layer that makes its input before it"),
    "axes merged by a pattern": ("rearrange('b ... -> b (...)')", (1, 8), "put the layer that makes its input before"),
}


@pytest.mark.parametrize(("text", "output", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_is_refused(text: str, output: Shape, message: str) -> None:
    with pytest.raises(UsageError) as error:
        inputs_for(chain(text), output)
    assert message in str(error.value)


def test_an_endless_answer_is_refused() -> None:
    layers = chain("PixelUnshuffle(2)", f"Conv2d(4, 4, 1, stride={10**6})")
    with pytest.raises(TooManyError, match="more than 65536 separate lengths"):
        inputs_for(layers, (1, 4, 5, 5))
    with pytest.raises(ConvcheckError, match="taken apart into factors"):
        inputs_for(chain("Conv2d(1, 1, 1)", "Flatten()"), (1, (2**31 - 1) * (2**31 - 19)))
