"""Lengths that are formulas say what numbers would have said."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from typer.testing import Result

from convcheck.calculator.formulas import has_names, parse_formulas
from convcheck.calculator.unread_inputs import unread_inputs
from convcheck.errors import ShapeError
from convcheck.layers import Layer, Sequential, parse_layer
from convcheck.modules.build import build
from convcheck.sizes.conditions import Condition, collecting
from convcheck.sizes.lengths import Length, UndecidedError, name
from convcheck.sizes.patterns import Shape
from convcheck.sizes.strongest import strongest
from tests.strategies.chains import chain
from tests.strategies.layers import FAMILIES, convs, pools, shapes, transposed

NAMES = ("b", "H", "W")

Both = tuple[Length, Any]


@st.composite
def formulas(draw: st.DrawFn, values: dict[str, int]) -> Both:
    """Draw a formula together with its value, made by the same steps from numbers."""
    text = draw(st.sampled_from(NAMES))
    length, value = name(text), values[text]
    for _ in range(draw(st.integers(0, 6))):
        step, number = draw(st.sampled_from("+-*/%")), draw(st.integers(1, 12))
        other = name(draw(st.sampled_from(NAMES)))
        match step:
            case "+":
                length, value = length + number, value + number
            case "-":
                length, value = length - other, value - other.evaluate(values)
            case "*":
                by: Any = draw(st.sampled_from([number, other]))
                length, value = length * by, value * (by if isinstance(by, int) else by.evaluate(values))
            case "/":
                length, value = length // number, value // number
            case "%":
                length, value = length % number, value % number
    return length, value


drawn_values = st.fixed_dictionaries({each: st.integers(1, 100) for each in NAMES})


@given(data=st.data(), values=drawn_values)
def test_a_formula_is_worth_what_its_steps_are(data: st.DataObject, values: dict[str, int]) -> None:
    length, value = data.draw(formulas(values))
    assert length.evaluate(values) == value


@given(data=st.data(), values=drawn_values)
def test_a_formula_as_it_is_written_is_worth_the_same(data: st.DataObject, values: dict[str, int]) -> None:
    length, value = data.draw(formulas(values))
    assert eval(str(length), {}, dict(values)) == value


SIMPLE = {
    "(H - 16)//16 + 1": "H//16",
    "(16*h - 16)//16 + 1": "h",
    "(H + 2 - 3)//2 + 1": "(H + 1)//2",
    "((H - 1)//2 + 1 - 1)//2 + 1": "(H + 3)//4",
    "(6*H + 4)//4": "(3*H + 2)//2",
    "(4*H + 3)//2": "2*H + 1",
    "H - H": "0",
    "2*(H + 1) - 2": "2*H",
    "H//2 + 3": "(H + 6)//2",
    "3*H//3": "H",
    "(H + 3)*(W - 1)*2": "2*(H + 3)*(W - 1)",
}


@pytest.mark.parametrize(("text", "simple"), SIMPLE.items())
def test_formulas_are_in_lowest_terms(text: str, simple: str) -> None:
    assert str(eval(text, {each: name(each) for each in ("H", "W", "h")})) == simple


def by_name(shape: Shape) -> tuple[Shape, dict[str, int]]:
    """Return the shape with a name in place of every length, and what the names stand for."""
    values = {f"n{axis}": length for axis, length in enumerate(shape)}
    return cast("Shape", tuple(name(each) for each in values)), values


def numbers_of(layer: Layer, shape: Shape) -> tuple[Shape, int] | None:
    try:
        return layer.output_shape(shape), layer.macs(shape)
    except ShapeError:
        return None


def worth(length: object, values: dict[str, int]) -> Any:
    return length.evaluate(values) if isinstance(length, Length) else length


def holds(condition: Condition, values: dict[str, int]) -> bool:
    number, bound = worth(condition.length, values), worth(condition.bound, values)
    if condition.relation == "is a multiple of":
        return bool(number % bound == 0)
    return bool(number == bound if condition.relation == "=" else number >= bound)


@given(data=st.data())
def test_a_layer_says_the_same_of_names_as_of_numbers(data: st.DataObject) -> None:
    """Both give the same output and MACs where the conditions hold; where they do not, numbers are refused."""
    layer = data.draw(st.one_of([*FAMILIES.values(), chains()]))
    [shape] = data.draw(shapes(layer.layers[0] if isinstance(layer, Sequential) else layer))
    named, values = by_name(shape)
    with collecting() as conditions:
        try:
            output, macs = layer.output_shape(named), cast("Any", layer.macs(named))
        except UndecidedError:
            assume(False)
        except ShapeError:
            assert numbers_of(layer, shape) is None
            return
    given_numbers = numbers_of(layer, shape)
    assert all(holds(each, values) for each in conditions) == (given_numbers is not None), (list(conditions), output)
    if given_numbers:
        assert (tuple(worth(length, values) for length in output), worth(macs, values)) == given_numbers


CHANNELS_OF_A_NORMALISATION = {
    "neither weight nor statistics": ("affine=False, track_running_stats=False", {"a >= 2"}),
    "a weight": ("track_running_stats=False", {"b = 2", "a >= 2"}),
    "statistics": ("affine=False", {"b = 2"}),
}


@pytest.mark.parametrize(
    ("arguments", "asked"), CHANNELS_OF_A_NORMALISATION.values(), ids=CHANNELS_OF_A_NORMALISATION.keys()
)
def test_a_normalisation_asks_for_its_channels_where_torch_does(arguments: str, asked: set[str]) -> None:
    layer = parse_layer(f"BatchNorm1d(2, {arguments})")
    named = cast("Shape", (name("a"), name("b")))
    with collecting() as conditions:
        assert layer.output_shape(named) == named
    assert {str(condition) for condition in conditions} == asked
    wrong = (3, 5)
    assert (numbers_of(layer, wrong) is None) == ("b = 2" in asked)
    with contextlib.nullcontext() if "b = 2" not in asked else pytest.raises(RuntimeError):
        build(layer).eval()(torch.ones(wrong))


@st.composite
def chains(draw: st.DrawFn) -> Sequential:
    """Draw two or three layers of one number of axes, each taking the channels that the one before makes."""
    first = draw(st.one_of(convs(), transposed()))
    pool = draw(pools().filter(lambda pool: pool.dims == first.dims))
    second = draw(convs().filter(lambda conv: conv.dims == first.dims))
    wide = {**second.arguments(), "op": second.kind, "in_channels": first.out_channels, "groups": 1}
    return chain(first, *([pool] if draw(st.booleans()) else []), parse_layer(wide))


@given(data=st.data())
def test_positions_never_read_are_the_same_where_a_formula_tells_them(data: st.DataObject) -> None:
    layer = data.draw(st.one_of(convs(), transposed(), pools(), chains()))
    [shape] = data.draw(shapes(layer.layers[0] if isinstance(layer, Sequential) else layer))
    assume(numbers_of(layer, shape) is not None)
    named, values = by_name(shape)
    try:
        dropped = cast("Any", unread_inputs(layer, named))
    except UndecidedError:
        return
    assert tuple(worth(length, values) for length in dropped) == unread_inputs(layer, shape)


@pytest.mark.parametrize(
    ("strides", "length", "lost"), [((4, 2), "8*n", 3 + 4 * 1), ((2, 4), "8*n", 1 + 2 * 3), ((2, 2, 2), "16*n", 7)]
)
def test_what_every_stride_of_a_chain_skips_adds_up(strides: tuple[int, ...], length: str, lost: int) -> None:
    layer = parse_layer(f"Sequential({', '.join(f'Conv1d(1, 1, 1, stride={stride})' for stride in strides)})")
    assert unread_inputs(layer, parse_formulas(f"1,1,{length}")) == (lost,)
    for n in (1, 2, 5):
        assert unread_inputs(layer, (1, 1, int(length[:-2]) * n)) == (lost,)


ALL_ARE_READ = {
    "padding of all that a stride may skip": "Conv1d(1, 1, 3, stride=2, padding=1)",
    "padding in a chain": "Sequential(Conv1d(1, 1, 3, padding=1), Conv1d(1, 1, 1))",
}
DEPENDS = {
    "padding of less than a stride may skip": "Conv1d(1, 1, 3, stride=3, padding=1)",
    "taps that leave holes, in a chain": "Sequential(Conv1d(1, 1, 3, dilation=2, padding=2), Conv1d(1, 1, 1))",
}


@pytest.mark.parametrize("layer", ALL_ARE_READ.values(), ids=ALL_ARE_READ.keys())
def test_with_padding_enough_every_position_is_read_whatever_the_length(layer: str) -> None:
    assert unread_inputs(parse_layer(layer), parse_formulas("1,1,n")) == (0,)
    assert all(unread_inputs(parse_layer(layer), (1, 1, n)) == (0,) for n in range(3, 9))


@pytest.mark.parametrize("layer", DEPENDS.values(), ids=DEPENDS.keys())
def test_positions_never_read_that_depend_on_the_length_are_not_told_by_a_formula(layer: str) -> None:
    with pytest.raises(UndecidedError, match="depends on n"):
        unread_inputs(parse_layer(layer), parse_formulas("1,1,n"))


READ = {
    "b,3,H,W": "[b, 3, H, W]",
    "[1, 3, H, 224]": "[1, 3, H, 224]",
    "b, 3, 16*h, w + 2": "[b, 3, 16*h, w + 2]",
    "b 3 H W": "[b, 3, H, W]",
    "(b 3 H 224)": "[b, 3, H, 224]",
    "b, 3, 16 * h, w": "[b, 3, 16*h, w]",
    "b,3,H=16*h,H": "[b, 3, 16*h, 16*h]",
    "n,(H + 1)//2": "[n, (H + 1)//2]",
}


@pytest.mark.parametrize(("text", "read"), READ.items())
def test_shapes_with_names_are_read(text: str, read: str) -> None:
    assert has_names(text)
    assert str(list(parse_formulas(text))) == read


REFUSED = {
    "b,3,H,": "'' in 'b,3,H,' is no length",
    "b,3,H-": "'H-' in 'b,3,H-' is no length",
    "b,3,H/2": "'H/2' is no length; write a number, a name, or a formula such as 16*h or H + 1",
    "b,3,H//0": "'H//0' is no length",
    "b,0,H": "'0' in 'b,0,H' is 0; lengths are between 1 and",
    "b,H=2,H=3": "says twice what H is",
    "b,f(H)": "'f(H)' is no length",
    "b,__import__('os')": "is no length",
    "b," + "(" * 60 + "H" + ")" * 60 + "+1" * 60: "is too long",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_no_shape_is_refused(text: str, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        parse_formulas(text)


@pytest.mark.parametrize("text", ["1,3,224,224", "1x3x224x224", "[1, 3]", "1 x 3"])
def test_numbers_have_no_names(text: str) -> None:
    assert not has_names(text)


def test_of_several_lower_bounds_the_highest_is_said() -> None:
    h, w = name("H"), name("W")
    bounds = [Condition(length, ">=", number) for length, number in ((h, 3), (h, 7), (w, 2), (h, 5), (h - w, 3))]
    channels = Condition(name("C"), "=", 4)
    assert list(map(str, strongest([*bounds, channels]))) == ["H - W >= 3", "C = 4", "H >= 7", "W >= 2"]


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["Conv2d(3, 8, 4, stride=4)", "-i", "b,3,H=2*h,h"], "2*(h % 2) rows, h % 4 columns"),
        (["Conv2d(3, 8, 5)", "-i", "1,3,H,H"], "600*(H - 4)**2"),
        (["Conv2d(3, 8, 4, stride=4)", "-i", "b,3,H,H"], "384*b*(H//4)**2"),
    ],
)
def test_formulas_are_printed_in_lowest_terms(convcheck: Callable[..., Result], words: list[str], printed: str) -> None:
    assert printed in convcheck("shape", *words).stdout


def test_conditions_that_cannot_hold_together_are_an_error(convcheck: Callable[..., Result]) -> None:
    result = convcheck("shape", "Conv2d(3, 8, 4, stride=4)", "-i", "H,H,H,H")
    assert result.exit_code == 2
    assert "no H would do: it must be 3, and at least 4" in result.stderr


@pytest.mark.parametrize("question", [["--same"], ["--sizes"], ["--output", "1,8,3,3"]])
def test_questions_are_about_numbers(convcheck: Callable[..., Result], question: list[str]) -> None:
    result = convcheck("shape", "Conv2d(3, 8, 3, stride=2)", "-i", "1,3,H,W", *question)
    assert result.exit_code == 2
    assert "takes an input of numbers; names such as H are for a table of shapes" in result.stderr
