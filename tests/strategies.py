"""Layers and inputs as Hypothesis draws them: small, of every dimensionality, and not tame."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from convcheck.errors import ShapeError
from convcheck.layers import Conv, ConvTranspose, Layer, Linear, parse_layer
from convcheck.patterns import Shapes
from convcheck.rewrite import Rewrite

small = st.integers(1, 3)
up_to_4 = st.integers(1, 4)


def per_axis(dims: int, values: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
    return st.lists(values, min_size=dims, max_size=dims)


@st.composite
def channels(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draw (in, out, groups) that belong together."""
    groups = draw(st.integers(1, 3))
    return groups * draw(small), groups * draw(small), groups


@st.composite
def convs(
    draw: st.DrawFn,
    kernel: st.SearchStrategy[int] = up_to_4,
    stride: st.SearchStrategy[int] = up_to_4,
    dilation: st.SearchStrategy[int] = small,
) -> Conv:
    """Draw a convolution that torch would build; along every axis with a kernel, stride and dilation as given."""
    dims = draw(st.integers(1, 3))
    into, out, groups = draw(channels())
    arguments: dict[str, object] = {
        "op": f"Conv{dims}d",
        "in_channels": into,
        "out_channels": out,
        "groups": groups,
        "kernel_size": draw(per_axis(dims, kernel)),
        "stride": draw(per_axis(dims, stride)),
        "dilation": draw(per_axis(dims, dilation)),
        "padding": draw(st.one_of(per_axis(dims, st.integers(0, 3)), st.sampled_from(["valid", "same"]))),
        "bias": draw(st.booleans()),
        "padding_mode": draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"])),
    }
    if arguments["padding"] == "same":
        arguments["stride"] = 1
    layer = parse_layer(arguments)
    assert isinstance(layer, Conv)
    return layer


@st.composite
def transposed(draw: st.DrawFn) -> ConvTranspose:
    """Draw a transposed convolution that torch would build and run."""
    dims = draw(st.integers(1, 3))
    into, out, groups = draw(channels())
    stride = draw(per_axis(dims, st.integers(1, 4)))
    dilation = draw(per_axis(dims, st.integers(1, 3)))
    layer = parse_layer(
        {
            "op": f"ConvTranspose{dims}d",
            "in_channels": into,
            "out_channels": out,
            "groups": groups,
            "kernel_size": draw(per_axis(dims, st.integers(1, 4))),
            "stride": stride,
            "dilation": dilation,
            "padding": draw(per_axis(dims, st.integers(0, 3))),
            "output_padding": [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)],
            "bias": draw(st.booleans()),
        }
    )
    assert isinstance(layer, ConvTranspose)
    return layer


@st.composite
def linears(draw: st.DrawFn) -> Linear:
    """Draw a linear layer."""
    layer = parse_layer(f"Linear({draw(st.integers(1, 9))}, {draw(st.integers(1, 9))}, bias={draw(st.booleans())})")
    assert isinstance(layer, Linear)
    return layer


@st.composite
def shapes(draw: st.DrawFn, layer: Layer) -> Shapes:
    """Draw an input with the right rank and channels; its spatial lengths may be too short."""
    if isinstance(layer, Linear):
        return ((*draw(st.lists(small, max_size=3)), layer.in_features),)
    assert isinstance(layer, (Conv, ConvTranspose))
    space = draw(per_axis(layer.dims, st.integers(1, 11)))
    return ((*draw(st.lists(small, max_size=1)), layer.in_channels, *space),)


@st.composite
def tiling(draw: st.DrawFn, kind: str) -> tuple[Layer, Shapes]:
    """Draw a layer whose kernel equals its stride, with an input; `kind` is Conv or ConvTranspose.

    Dilation is drawn along axes where the kernel has one tap, because there it must not matter. Inputs are batched or
    not, and need not be multiples of the stride.
    """
    dims = draw(st.integers(1, 3))
    into, out, groups = draw(channels())
    kernel = draw(per_axis(dims, st.integers(1, 3)))
    layer = parse_layer(
        {
            "op": f"{kind}{dims}d",
            "in_channels": into,
            "out_channels": out,
            "groups": groups,
            "kernel_size": kernel,
            "stride": kernel,
            "dilation": [draw(st.integers(1, 3)) if k == 1 else 1 for k in kernel],
            "bias": draw(st.booleans()),
        }
    )
    space = [draw(st.integers(k, 3 * k + 2)) if kind == "Conv" else draw(small) for k in kernel]
    return layer, ((*draw(st.lists(small, max_size=1)), into, *space),)


@st.composite
def fitting(draw: st.DrawFn, layers: st.SearchStrategy[Layer]) -> tuple[Layer, Shapes]:
    """Draw any layer with an input that it can take: batched or not, as small as can be or a little larger."""
    layer = draw(layers)
    if isinstance(layer, Linear):
        return layer, draw(shapes(layer))
    assert isinstance(layer, (Conv, ConvTranspose))
    space = []
    for axis in range(layer.dims):
        least = 1
        while not _takes(layer, axis, least):
            least += 1
        space.append(least + draw(st.integers(0, 4)))
    return layer, ((*draw(st.lists(small, max_size=1)), layer.in_channels, *space),)


def _takes(layer: Conv | ConvTranspose, axis: int, length: int) -> bool:
    """Tell whether an axis may have this length, whatever the others have."""
    space = [64] * layer.dims
    space[axis] = length
    try:
        layer.output_shape((layer.in_channels, *space))
    except ShapeError:
        return False
    return True


def accepting(rewrite: Rewrite) -> list[st.SearchStrategy[tuple[Layer, Shapes]]]:
    """Draw convolutions and Linears if a rewrite is for them, half of them tilings; it may still refuse some."""
    drawn: list[st.SearchStrategy[tuple[Layer, Shapes]]] = []
    if Conv in rewrite.families:
        drawn += [fitting(convs()), tiling("Conv")]
    if ConvTranspose in rewrite.families:
        drawn += [fitting(transposed()), tiling("ConvTranspose")]
    if Linear in rewrite.families:
        drawn += [fitting(linears())]
    return drawn


@st.composite
def with_several_windows(draw: st.DrawFn, layer: Conv | ConvTranspose) -> Shapes:
    """Draw an input on which no setting of the layer is without effect: several windows along every axis."""
    if isinstance(layer, ConvTranspose):
        space = [draw(st.integers(2, 4)) + math.ceil(2 * spread.padding / spread.stride) for spread in layer.spreads]
    else:
        space = []
        for window in layer.windows:
            # Three windows beside the padding: on less, copies in the padding can make two functions coincide.
            reach = window.dilation * (window.kernel - 1) + 1 + 2 * window.stride
            space.append(max(window.before, window.after, reach) + draw(st.integers(1, 3)))
    return ((2, layer.in_channels, *space),)
