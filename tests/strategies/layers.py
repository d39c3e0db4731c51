"""Layers and inputs as Hypothesis draws them: small, of every dimensionality, and not tame."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from convcheck.errors import ShapeError
from convcheck.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Dropout,
    Elementwise,
    Flatten,
    Fold,
    Layer,
    Linear,
    PixelShuffle,
    PixelUnshuffle,
    Pool,
    Softmax,
    Unflatten,
    Unfold,
    parse_layer,
)
from convcheck.layers.families import families, family_of, kind_names
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, Shapes

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


def as_given(dims: int, values: st.SearchStrategy[int], *, short: bool = True) -> st.SearchStrategy[int | list[int]]:
    """Draw one number, or one for every axis; where `short`, also one in a list that stands for all."""
    return st.one_of(values, per_axis(dims, values), *([per_axis(1, values)] if short else []))


def pixel_shuffles() -> st.SearchStrategy[Layer]:
    """Draw PixelShuffle or PixelUnshuffle."""
    return st.builds(
        lambda kind, r: parse_layer(f"{kind}({r})"), st.sampled_from(["PixelShuffle", "PixelUnshuffle"]), small
    )


@st.composite
def columns(draw: st.DrawFn) -> Layer:
    """Draw Unfold, or a Fold whose output has room for a window."""
    sizes: dict[str, object] = {
        name: draw(as_given(2, st.integers(least, 3), short=False))
        for name, least in (("kernel_size", 1), ("dilation", 1), ("padding", 0), ("stride", 1))
    }
    unfold = parse_layer({"op": "Unfold", **sizes})
    assert isinstance(unfold, Unfold)
    if draw(st.booleans()):
        return unfold
    least = [max(1, 1 + w.dilation * (w.kernel - 1) - 2 * w.before) for w in unfold.windows]
    size = draw(st.one_of(st.integers(max(least), max(least) + 4), st.tuples(*(st.integers(n, n + 4) for n in least))))
    return parse_layer({"op": "Fold", "output_size": size, **sizes})


@st.composite
def batch_norms(draw: st.DrawFn) -> Layer:
    """Draw a batch normalisation, with or without weight, bias and running statistics."""
    affine, bias, tracked = (draw(st.booleans()) for _ in range(3))
    return parse_layer(
        {
            "op": f"BatchNorm{draw(small)}d",
            "num_features": draw(up_to_4),
            "eps": draw(st.sampled_from([1e-5, 1e-3, 0.5, 1])),
            "momentum": draw(st.sampled_from([0.1, 0.9, 1, None])),
            "affine": affine,
            "bias": bias,
            "track_running_stats": tracked,
        }
    )


@st.composite
def pools(draw: st.DrawFn) -> Layer:
    """Draw a pooling that torch would run; the kernel bounds its padding."""
    kind, dims = draw(st.sampled_from(["Max", "Avg"])), draw(small)
    kernel = draw(as_given(dims, up_to_4))
    widest = min(kernel if isinstance(kernel, list) else [kernel]) // 2
    arguments: dict[str, object] = {
        "op": f"{kind}Pool{dims}d",
        "kernel_size": kernel,
        "padding": draw(as_given(dims, st.integers(0, widest))),
        "ceil_mode": draw(st.booleans()),
    }
    if draw(st.booleans()):
        arguments["stride"] = draw(as_given(dims, up_to_4))
    if kind == "Max":
        return parse_layer(
            {**arguments, "dilation": draw(as_given(dims, small)), "return_indices": draw(st.booleans())}
        )
    if dims > 1:
        arguments["divisor_override"] = draw(st.sampled_from([None, None, 1, 7, -3]))
    return parse_layer({**arguments, "count_include_pad": draw(st.booleans())})


@st.composite
def flattens(draw: st.DrawFn) -> Layer:
    """Draw Flatten, of axes that some input has in this order, or Unflatten."""
    if draw(st.booleans()):
        told = draw(st.lists(small, max_size=3))
        left = draw(st.sampled_from([[], [-1]] if told else [[-1]]))
        sizes = draw(st.permutations([*told, *left]))
        return parse_layer({"op": "Unflatten", "dim": draw(st.integers(-4, 3)), "unflattened_size": sizes})
    start, end = draw(st.integers(-4, 3)), draw(st.integers(-4, 3))
    if (start < 0) == (end < 0):
        start, end = min(start, end), max(start, end)
    return parse_layer({"op": "Flatten", "start_dim": start, "end_dim": end})


@st.composite
def elementwise(draw: st.DrawFn) -> Layer:
    """Draw an activation, a dropout or a softmax, with arguments that are not as usual."""
    family = draw(st.sampled_from([each for each in families() if issubclass(each, (Elementwise, Softmax))]))
    kind = draw(st.sampled_from([kind for kind in kind_names() if family_of(kind) is family]))
    values: dict[str, st.SearchStrategy[object]] = {
        "inplace": st.booleans(),
        "dim": st.integers(-4, 3),
        "p": st.sampled_from([0, 0.1, 0.5, 1]),
        "approximate": st.sampled_from(["none", "tanh"]),
    }
    # Any number above 1 is one that each of them takes.
    given = {each.name: draw(values.get(each.name, st.sampled_from([2, 2.5]))) for each in family.SIGNATURE}
    return parse_layer({"op": kind, **given, **({"min_val": -1} if "min_val" in given else {})})


FAMILIES: dict[str, st.SearchStrategy[Layer]] = {
    "convolutions": convs(),
    "transposed": transposed(),
    "linear": linears(),
    "shuffles": pixel_shuffles(),
    "columns": columns(),
    "batch norms": batch_norms(),
    "pools": pools(),
    "flattens": flattens(),
    "elementwise": elementwise(),
}
"""Layers of every kind, family by family."""


@st.composite
def misshapen(draw: st.DrawFn, shape: Shape) -> Shape:
    """Draw a shape that is near another one: an axis more or less, or one of another length."""
    at = draw(st.integers(0, len(shape) - 1))
    new = draw(st.lists(up_to_4, max_size=2).filter(lambda axes: len(shape) + len(axes) > 1))
    return (*shape[:at], *new, *shape[at + 1 :])


@st.composite
def shapes(draw: st.DrawFn, layer: Layer) -> Shapes:
    """Draw an input with the right rank and channels; its spatial lengths may be too short.

    Layers that move entries also get shapes that are no good at all.
    """
    if isinstance(layer, Linear):
        return ((*draw(st.lists(small, max_size=3)), layer.in_features),)
    if not isinstance(layer, (Conv, ConvTranspose)):
        shape = draw(nearly_fitting(layer))
        warns = isinstance(layer, Dropout) and layer.kind != "Dropout1d"
        return (draw(misshapen(shape)) if not warns and draw(st.integers(0, 3)) == 0 else shape,)
    space = draw(per_axis(layer.dims, st.integers(1, 11)))
    return ((*draw(st.lists(small, max_size=1)), layer.in_channels, *space),)


@st.composite
def nearly_fitting(draw: st.DrawFn, layer: Layer) -> Shape:
    """Draw an input for a layer that is no convolution; some lengths may be too short, and some axes missing."""
    batch, channels = draw(st.lists(small, max_size=1)), draw(small)
    if isinstance(layer, PixelShuffle):
        return (*draw(st.lists(small, max_size=2)), channels * layer.upscale_factor**2, *draw(per_axis(2, up_to_4)))
    if isinstance(layer, PixelUnshuffle):
        space = [layer.downscale_factor * draw(small) for _ in range(2)]
        return (*draw(st.lists(small, max_size=2)), channels, *space)
    if isinstance(layer, Fold):
        return (*batch, channels * layer.taps, layer.columns)
    if isinstance(layer, BatchNorm):
        flat = layer.dims == 1 and draw(st.booleans())
        return (draw(small), layer.num_features, *([] if flat else draw(per_axis(layer.dims, up_to_4))))
    if isinstance(layer, (Unfold, Pool)):
        return (*batch, channels, *draw(per_axis(layer.dims, st.integers(1, 9))))
    lengths = draw(st.lists(up_to_4, min_size=1, max_size=5))
    if isinstance(layer, Elementwise) and layer.kind.startswith("Dropout"):
        # On other ranks than these torch warns, where it does not refuse.
        axes = {"Dropout2d": [4], "Dropout3d": [4, 5]}.get(layer.kind, [2, 3])
        return tuple(draw(per_axis(draw(st.sampled_from(axes)), up_to_4)))
    if isinstance(layer, Unflatten) and -len(lengths) <= layer.dim < len(lengths):
        lengths[layer.dim] = layer.known_length * (draw(small) if -1 in layer.unflattened_size else 1)
    if isinstance(layer, (Flatten, Unflatten, Elementwise, Softmax)):
        return tuple(lengths)
    # Of any other kind, what it says fits, with other lengths along space.
    [shape] = layer.example_inputs()
    space = range(len(shape))[-layer.dims :] if layer.dims else ()
    return tuple(draw(up_to_4) if axis in space else length for axis, length in enumerate(shape))


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
