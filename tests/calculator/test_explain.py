"""What --explain prints is true arithmetic, and its results are the output's shape."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcheck.errors import ShapeError
from convcheck.layers import Layer, Patchify, Pool, Rearrange, Unpatchify, parse_layer
from tests.strategies.chains import CHAINS, Drawn, layouts, patches, rearrangements
from tests.strategies.layers import FAMILIES, shapes

FUNCTIONS: Mapping[str, object] = {"floor": math.floor, "ceil": math.ceil, "min": min, "Fraction": Fraction}


def value(text: str, names: Mapping[str, object]) -> object:
    """Return what a formula comes to, quotients being exact."""
    exact = re.sub(r"\b(\d+)\b(?!\*\*)", r"Fraction(\1)", text)
    return eval(compile(ast.parse(exact, mode="eval"), "formula", "eval"), {"__builtins__": {}}, {**FUNCTIONS, **names})


def holds(line: str, layer: Layer) -> int:
    """Check one line, and return the length that it ends with."""
    _, formula = line.split(": ")
    left, right = formula.rsplit(" = ", 1)
    worth = value(left, layer.arguments())
    # One argument may hold the lengths of all axes.
    assert int(right) in worth if isinstance(worth, tuple) else worth == int(right)
    return int(right)


@pytest.mark.parametrize("layers", FAMILIES.values(), ids=FAMILIES)
@given(st.data())
def test_every_line_is_true_and_tells_a_length(layers: st.SearchStrategy[Layer], data: st.DataObject) -> None:
    layer = data.draw(layers)
    drawn = data.draw(shapes(layer))
    try:
        output = layer.output_shape(*drawn)
    except ShapeError:
        with pytest.raises(ShapeError):
            list(layer.explain(*drawn))
        return
    told = [holds(line, layer) for line in layer.explain(*drawn)]
    if layer.kind == "Unfold":
        # The places of windows along both axes are told in between.
        told = [told[0], told[-1]]
    if layer.dims and not isinstance(layer, Pool) and not layer.kind.startswith("BatchNorm"):
        assert tuple(told) == output[-len(told) :]
        assert len(told) >= layer.dims or layer.kind == "Unfold"
    elif told:
        assert set(told) <= set(output)
    else:
        assert output == drawn[0]


@pytest.mark.parametrize("kind", ["Patchify", "Unpatchify"])
@given(data=st.data())
def test_channels_come_last_where_they_stand_last(kind: str, data: st.DataObject) -> None:
    layer, (shape,) = data.draw(patches(kind))
    assert isinstance(layer, (Patchify, Unpatchify))
    told = tuple(holds(line, layer) for line in layer.explain(shape))
    assert told == layer.output_shape(shape)[-layer.dims - 1 :]


@given(st.one_of(rearrangements(), layouts()))
def test_joined_axes_are_told(drawn: Drawn) -> None:
    layer, (shape,) = drawn
    lines = list(layer.explain(shape))
    if isinstance(layer, Rearrange):
        assert len(lines) == layer.pattern.partition("->")[2].count("(") - layer.pattern.partition("->")[2].count("()")
    assert all(holds(line, layer) in layer.output_shape(shape) for line in lines)


@given(st.one_of(*CHAINS.values()))
def test_lines_of_a_chain_are_those_of_its_layers_by_number(drawn: Drawn) -> None:
    layer, inputs = drawn
    lines = list(layer.explain(*inputs))
    assert lines
    inner = getattr(layer, "layers", ())
    for line in lines:
        number, _, rest = line.partition(".")
        holds(rest, inner[int(number)])


WRITTEN = {
    "a strided convolution": (
        "Conv2d(3, 1152, 14, stride=14)",
        (1, 3, 384, 384),
        ["o: out_channels = 1152", *(f"{axis}: floor((384 + 2*0 - 1*(14 - 1) - 1) / 14) + 1 = 27" for axis in "hw")],
    ),
    "padding that is not the same on both sides": (
        "Conv1d(1, 2, 4, padding='same')",
        (1, 9),
        ["o: out_channels = 2", "l: floor((9 + 1 + 2 - 1*(4 - 1) - 1) / 1) + 1 = 9"],
    ),
    "a transposed convolution": (
        "ConvTranspose1d(1, 1, 4, 2, 1, 1)",
        (1, 8),
        ["o: out_channels = 1", "l: (8 - 1)*2 - 2*1 + 1*(4 - 1) + 1 + 1 = 17"],
    ),
    "a last window that would begin behind the end": (
        "AvgPool1d(4, stride=4, padding=2, ceil_mode=True)",
        (1, 9),
        ["l: min(ceil((9 + 2*2 - 1*(4 - 1) - 1) / 4) + 1, ceil((9 + 2) / 4)) = 3"],
    ),
    "the axes of a picture, joined": ("Flatten()", (2, 8, 4, 5), ["axis 1: 8 * 4 * 5 = 160"]),
    "blocks, put together": (
        "rearrange('b c (h p) -> b (c p) h', p=2)",
        (1, 3, 8),
        ["(c p): 3 * 2 = 6"],
    ),
    "what keeps the shape": ("ReLU()", (2, 8), []),
}


@pytest.mark.parametrize(("text", "shape", "lines"), WRITTEN.values(), ids=WRITTEN)
def test_explains(text: str, shape: tuple[int, ...], lines: list[str]) -> None:
    assert list(parse_layer(text).explain(shape)) == lines
