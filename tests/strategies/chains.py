"""Chains of layers, operations and channels-last layers, with inputs, as Hypothesis draws them."""

from __future__ import annotations

import dataclasses
import math

from hypothesis import assume
from hypothesis import strategies as st

from convcheck.errors import ShapeError
from convcheck.layers import Conv, ConvTranspose, Layer, Linear, Rearrange, Sequential, parse_layer
from convcheck.sizes.patterns import Pattern, Shapes, parse
from tests.strategies.layers import (
    convs,
    flattens,
    linears,
    nearly_fitting,
    per_axis,
    pixel_shuffles,
    small,
    transposed,
)

Drawn = tuple[Layer, Shapes]


STEM = [
    "Conv2d(3, 8, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)",
    "BatchNorm2d(8)",
    "ReLU(inplace=True)",
    "MaxPool2d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)",
    "Sequential(Conv2d(8, 16, 3), Dropout(0.5))",
    "Flatten()",
    "Linear(144, 10)",
]
"""A small classifier, as torch prints its layers."""

IMAGES = (2, 3, 20, 20)
"""What it takes."""


def chain(*layers: Layer) -> Sequential:
    """Put layers one after the other."""
    return Sequential("Sequential", layers)


@st.composite
def input_of(draw: st.DrawFn, layer: Sequential, *, batched: bool = False) -> Shapes:
    """Draw an input on which every layer of a chain of convolutions has several windows."""
    first = layer.layers[0]
    assert isinstance(first, (Conv, ConvTranspose, Linear))
    if isinstance(first, Linear):
        return ((draw(small) + 1, first.in_features),)
    batch = (draw(small),) if batched or draw(st.booleans()) else ()
    more = draw(st.integers(0, 3))
    for length in range(1, 60):
        shape = (*batch, first.in_channels, *(length + axis for axis in range(first.dims)))
        try:
            inputs = layer.through(shape)
        except ShapeError:
            continue
        if all(min(each[-first.dims :]) > 1 + more for each in inputs):
            return (shape,)
    assume(False)
    raise AssertionError


@st.composite
def following(draw: st.DrawFn, first: Conv, drawn: st.SearchStrategy[Conv]) -> Conv:
    """Draw a convolution that takes what `first` makes."""
    conv = draw(drawn.filter(lambda conv: conv.dims == first.dims))
    groups = draw(st.sampled_from([g for g in range(1, first.out_channels + 1) if first.out_channels % g == 0]))
    return dataclasses.replace(conv, in_channels=first.out_channels, out_channels=groups * draw(small), groups=groups)


ONE = st.just(1)
TWO = st.integers(1, 2)


@st.composite
def two_convs(draw: st.DrawFn) -> Drawn:
    """Draw two convolutions, of which one or the other is 1x1 more often than not."""
    kernels = draw(st.sampled_from([(st.integers(1, 3), ONE), (ONE, st.integers(1, 3)), (TWO, TWO)]))
    first = draw(convs(kernel=kernels[0], stride=TWO, dilation=TWO))
    second = draw(following(first, convs(kernel=kernels[1], stride=TWO, dilation=TWO)))
    return draw(with_norm(first, second))


@st.composite
def with_norm(draw: st.DrawFn, first: Conv, second: Conv) -> Drawn:
    """Draw two convolutions with a BatchNorm behind them, or without."""
    if draw(st.integers(0, 2)):
        layer = chain(first, second)
        return layer, draw(input_of(layer))
    options = {"affine": draw(st.booleans()), "track_running_stats": draw(st.sampled_from([True, True, False]))}
    norm = parse_layer({"op": f"BatchNorm{second.dims}d", "num_features": second.out_channels, **options})
    return chain(first, second, norm), draw(input_of(chain(first, second), batched=True))


@st.composite
def separable(draw: st.DrawFn) -> Drawn:
    """Draw a depthwise convolution with a convolution behind it that is mostly 1x1."""
    conv = draw(convs(kernel=st.integers(1, 3), stride=TWO, dilation=TWO))
    groups = draw(st.sampled_from([conv.in_channels, conv.in_channels, conv.groups]))
    first = dataclasses.replace(conv, groups=groups, out_channels=groups * draw(small))
    second = draw(following(first, convs(kernel=draw(st.sampled_from([ONE, ONE, TWO])), stride=TWO)))
    return draw(with_norm(first, second))


@st.composite
def shuffled(draw: st.DrawFn) -> Drawn:
    """Draw a convolution, then PixelShuffle."""
    stride = draw(st.sampled_from([ONE, ONE, TWO]))
    conv = draw(convs(stride=stride, dilation=draw(st.sampled_from([ONE, ONE, TWO]))).filter(lambda c: c.dims == 2))
    factor = draw(small)
    groups = draw(st.sampled_from([g for g in range(1, 4) if conv.in_channels % g == 0]))
    outputs = math.lcm(groups, factor**2) * draw(TWO)
    first = dataclasses.replace(conv, groups=groups, out_channels=outputs)
    layer = chain(first, parse_layer(f"PixelShuffle({factor})"))
    return layer, draw(input_of(layer))


@st.composite
def two_linears(draw: st.DrawFn) -> Drawn:
    """Draw two Linears, or more."""
    layers = [draw(linears())]
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        layers.append(dataclasses.replace(draw(linears()), in_features=layers[-1].out_features))
    layer = chain(*layers)
    return layer, draw(input_of(layer))


@st.composite
def normalised(draw: st.DrawFn) -> Drawn:
    """Draw a layer with weights, then BatchNorm."""
    layer = draw(st.one_of(convs(), transposed(), linears()))
    channels = layer.out_features if isinstance(layer, Linear) else layer.out_channels  # type: ignore[attr-defined]
    norm = parse_layer(
        {
            "op": f"BatchNorm{max(1, layer.dims)}d",
            "num_features": channels,
            "eps": draw(st.sampled_from([1e-5, 1e-3, 0.1, 0.7, 3.0])),
            "affine": draw(st.booleans()),
            "track_running_stats": draw(st.sampled_from([True, True, True, False])),
        }
    )
    both = chain(layer, norm)
    return both, draw(input_of(both, batched=True))


@st.composite
def normalised_before(draw: st.DrawFn) -> Drawn:
    """Draw BatchNorm, then a layer with weights, which mostly pads nothing."""
    layer = draw(st.one_of(convs(), linears()))
    if isinstance(layer, Conv) and draw(st.integers(0, 3)):
        layer = dataclasses.replace(layer, padding=(0,) * layer.dims)
    channels = layer.in_features if isinstance(layer, Linear) else layer.in_channels
    norm = parse_layer(
        {
            "op": f"BatchNorm{max(1, layer.dims)}d",
            "num_features": channels,
            "eps": draw(st.sampled_from([1e-5, 1e-3, 0.1, 0.7, 3.0])),
            "affine": draw(st.booleans()),
            "track_running_stats": draw(st.sampled_from([True, True, True, False])),
        }
    )
    ((shape),) = draw(input_of(chain(layer), batched=True))
    return chain(norm, layer), (shape,)


@st.composite
def products(draw: st.DrawFn) -> Drawn:
    """Draw a matrix product, with leading axes that broadcast, or vectors, where torch has them."""
    m, n, p, b = (draw(st.integers(1, 5)) for _ in range(4))
    kind = draw(st.sampled_from(["mm", "bmm", "matmul"]))
    if kind == "mm":
        return parse_layer("mm()"), ((m, n), (n, p))
    if kind == "bmm":
        return parse_layer("bmm()"), ((b, m, n), (b, n, p))
    leading = draw(st.lists(small, max_size=3))
    sides = []
    for _ in range(2):
        kept = leading[draw(st.integers(0, len(leading))) :]
        sides.append(tuple(length if draw(st.booleans()) else 1 for length in kept))
    left = (n,) if not sides[0] and draw(st.booleans()) else (*sides[0], m, n)
    right = (n,) if not sides[1] and draw(st.booleans()) else (*sides[1], n, p)
    return parse_layer("matmul()"), (left, right)


@st.composite
def layouts(draw: st.DrawFn) -> Drawn:
    """Draw one of torch's own layers that only move entries, and an input that it takes."""
    layer = draw(st.one_of(pixel_shuffles(), flattens()))
    shape = draw(nearly_fitting(layer))
    try:
        layer.output_shape(shape)
    except ShapeError:
        assume(False)
    return layer, (shape,)


@st.composite
def rearrangements(draw: st.DrawFn) -> Drawn:
    """Draw any pattern, with an ellipsis or without, and an input for it."""
    axes = [f"x{number}" for number in range(draw(st.integers(1, 5)))]
    lengths = {axis: draw(small) for axis in axes}
    more = tuple(draw(st.lists(small, max_size=2)))
    ellipsis = draw(st.booleans())

    def side() -> list[list[str]]:
        groups: list[list[str]] = []
        for axis in draw(st.permutations(axes)):
            if groups and draw(st.booleans()):
                groups[-1].append(axis)
            else:
                groups.append([axis])
        groups += [[] for _ in range(draw(st.integers(0, 1)))]
        return draw(st.permutations(groups))

    def written(groups: list[list[str]]) -> str:
        words = [" ".join(group) if len(group) == 1 else f"({' '.join(group)})" for group in groups]
        if ellipsis:
            words.insert(draw(st.integers(0, len(words))), "...")
        return " ".join(words)

    left = side()
    pattern = written(left)
    shape = [math.prod(lengths[axis] for axis in group) for group in left]
    if ellipsis:
        at = _words(pattern).index("...")
        shape[at:at] = more
    layer = parse_layer({"op": "rearrange", "pattern": f"{pattern} -> {written(side())}", **lengths})
    return layer, (tuple(shape),)


def _words(pattern: str) -> list[str]:
    depth, words, word = 0, [], ""
    for letter in pattern + " ":
        depth += (letter == "(") - (letter == ")")
        if letter == " " and depth == 0:
            words.append(word)
            word = ""
        else:
            word += letter
    return words


@st.composite
def patches(draw: st.DrawFn, kind: str) -> Drawn:
    """Draw Patchify or Unpatchify, with overlap, gaps and every legal output size, and an input."""
    dims = draw(small)
    patch, stride = draw(per_axis(dims, small)), draw(per_axis(dims, small))
    into, out = draw(small), draw(small)
    grid = draw(per_axis(dims, small))
    covered = [(n - 1) * s + k for n, s, k in zip(grid, stride, patch, strict=True)]
    size = [least + draw(st.integers(0, s - 1)) for least, s in zip(covered, stride, strict=True)]
    arguments: dict[str, object] = {
        "op": kind,
        "in_features": into,
        "out_features": out,
        "data_dim": dims,
        "patch_size": patch,
        "stride": stride,
        "bias": draw(st.booleans()),
    }
    if kind == "Unpatchify" and draw(st.booleans()):
        arguments["output_spatial_shape"] = size
    space = size if kind == "Patchify" else grid
    return parse_layer(arguments), ((*draw(st.lists(small, max_size=1)), *space, into),)


@st.composite
def cut(draw: st.DrawFn) -> Drawn:
    """Draw a rearrange that mostly cuts out patches, then a Linear on them."""
    dims = draw(small)
    kernel, grid, channels = draw(per_axis(dims, small)), draw(per_axis(dims, small)), draw(small)
    space = [f"(n{axis} k{axis})" if k > 1 else f"n{axis}" for axis, k in enumerate(kernel)]
    lengths = {f"k{axis}": k for axis, k in enumerate(kernel) if k > 1}
    features = draw(st.permutations(["c", *lengths]))
    if len(features) > 1 and draw(st.integers(0, 4)) == 0:
        features = features[1:]
    lead = [axis for axis in ("b", *(f"n{axis}" for axis in range(dims)), "c", *lengths) if axis not in features]
    lead = draw(st.permutations(lead))
    if draw(st.booleans()):
        lead = [f"({' '.join(lead[:2])})", *lead[2:]]
    pattern = f"b c {' '.join(space)} -> {' '.join(lead)} ({' '.join(features)})"
    first = parse_layer({"op": "rearrange", "pattern": pattern, **lengths})
    size = math.prod({"c": channels, **lengths}[axis] for axis in features)
    second = dataclasses.replace(draw(linears()), in_features=size)
    shape = (draw(small), channels, *(n * k for n, k in zip(grid, kernel, strict=True)))
    return chain(first, second), (shape,)


@st.composite
def cut_anywhere(draw: st.DrawFn) -> Drawn:
    """Draw a rearrange that cuts patches out of an input in any layout, then a Linear or a 1x1 convolution on them."""
    places = draw(small)
    blocks = [[f"n{number}", f"k{number}"] for number in range(places)]
    others = draw(st.lists(st.sampled_from(["c", "d", "m"]), unique=True))
    axes = draw(st.permutations([*blocks, *([name] for name in others)]))
    source = ["b"]
    for words in axes:
        if len(source) > 1 and draw(st.integers(0, 3)) == 0:
            source[-1] = f"({source[-1].strip('()')} {' '.join(words)})"
        else:
            source.append(f"({' '.join(words)})" if len(words) > 1 else words[0])
    sizes = {axis: draw(small) for words in axes for axis in words}
    features = draw(st.permutations([f"k{number}" for number in range(places)] + [a for a in others if a != "m"]))
    lead = draw(st.permutations([f"n{number}" for number in range(places)] + [a for a in others if a == "m"]))
    size = math.prod(sizes[axis] for axis in features)
    together = f"({' '.join(features)})"
    if len(lead) <= 3 and draw(st.booleans()):
        target, second = ["b", together, *lead], parse_layer(f"Conv{len(lead)}d({size}, {draw(small)}, 1)")
    else:
        target = draw(st.permutations(["b", *lead]))
        second = dataclasses.replace(draw(linears()), in_features=size)
        target = [*target, together]
    lengths = {axis: length for axis, length in sizes.items() if axis not in source}
    words = _words(" ".join(source))
    known = {"b": draw(small), **sizes}
    shape = tuple(math.prod(known[axis] for axis in word.strip("()").split()) for word in words)
    first = parse_layer({"op": "rearrange", "pattern": f"{' '.join(source)} -> {' '.join(target)}", **lengths})
    return chain(first, second), (shape,)


@st.composite
def laid(draw: st.DrawFn) -> Drawn:
    """Draw a Linear or a 1x1 convolution, and a rearrange that mostly lays its outputs side by side as patches."""
    layer, (shape,) = draw(cut_anywhere())
    assert isinstance(layer, Sequential)
    rearrange, taker = layer.layers
    assert isinstance(rearrange, Rearrange)
    pattern = parse(rearrange.pattern)
    sizes = pattern.sizes(shape, dict(rearrange.lengths))
    rows = rearrange.output_shape(shape)
    inputs, bias = draw(small), draw(st.booleans())
    back = Pattern(pattern.target, pattern.source)
    if isinstance(taker, Linear):
        first = parse_layer(f"Linear({inputs}, {rows[-1]}, bias={bias})")
        given = (*rows[:-1], inputs)
    else:
        first = parse_layer(f"{taker.kind}({inputs}, {rows[1]}, 1, bias={bias})")
        given = (rows[0], inputs, *rows[2:])
    second = parse_layer({"op": "rearrange", "pattern": str(back), **back.needed(sizes)})
    return chain(first, second), (given,)


CHAINS = {
    "fold-batchnorm": normalised(),
    "fold-batchnorm-forward": normalised_before(),
    "merge-convs": two_convs(),
    "merge-linears": two_linears(),
    "merge-separable": separable(),
    "patches-as-conv": st.one_of(cut(), cut_anywhere()),
    "patches-as-transposed": laid(),
    "shuffle-as-transposed": shuffled(),
}
"""For every rewrite of chains, chains of its kinds; it may still refuse some."""
