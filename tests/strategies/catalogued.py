"""Layers of the kinds that each rewrite of the catalogue is for, with inputs, as Hypothesis draws them."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import (
    Conv,
    ConvTranspose,
    DotProductAttention,
    Layer,
    Linear,
    MatMul,
    MultiheadAttention,
    Patchify,
    PixelShuffle,
    Rearrange,
    Sequential,
    Unpatchify,
)
from convcheck.sizes.patterns import Shapes
from tests.strategies.attentions import dot_products, multiheads
from tests.strategies.chains import CHAINS, layouts, patches, products, rearrangements
from tests.strategies.layers import (
    accepting,
    convs,
    fitting,
    linears,
    per_axis,
    small,
    transposed,
    with_several_windows,
)


@st.composite
def clips(draw: st.DrawFn) -> tuple[Layer, Shapes]:
    """Draw a Conv3d, with an input, that cuts a video into clips: kernel = stride in time, and no padding there."""
    conv = draw(convs().filter(lambda conv: conv.dims == 3))
    frames = conv.stride[0]
    tiling = dataclasses.replace(
        conv,
        kernel_size=(frames, *conv.kernel_size[1:]),
        padding=conv.padding if isinstance(conv.padding, str) else (0, *conv.padding[1:]),
        dilation=(conv.dilation[0] if frames == 1 else 1, *conv.dilation[1:]),
    )
    return draw(fitting(st.just(tiling)))


def pointwise(conv: Conv) -> Conv:
    """Give a convolution a kernel of one tap, no padding and one group."""
    padding = conv.padding if isinstance(conv.padding, str) else (0,) * conv.dims
    return dataclasses.replace(conv, kernel_size=(1,) * conv.dims, padding=padding, groups=1)


@st.composite
def covering(draw: st.DrawFn) -> tuple[Layer, Shapes]:
    """Draw a convolution whose kernel covers its whole padded input, with that input."""
    conv = draw(convs())
    same = conv.padding == "same"
    space = [1] * conv.dims if same else draw(per_axis(conv.dims, small))
    kernel = conv.kernel_size if same else tuple(n + sum(pads) for n, pads in zip(space, conv.pads, strict=True))
    dilation = tuple(d if k == 1 else 1 for d, k in zip(conv.dilation, kernel, strict=True))
    layer = dataclasses.replace(conv, kernel_size=kernel, dilation=dilation, groups=1)
    widest = max(pad for pads in layer.pads for pad in pads)
    if widest >= min(space) and layer.padding_mode in ("reflect", "circular"):
        # These modes cannot pad by more than there is to copy.
        layer = dataclasses.replace(layer, padding_mode="replicate")
    return layer, ((*draw(st.lists(small, max_size=1)), layer.in_channels, *space),)


# Where hardly any layer of the family would be accepted, one that mostly is.
NARROW: dict[str, st.SearchStrategy[tuple[Layer, Shapes]]] = {
    "flatten-linear": covering(),
    "pointwise-linear": fitting(convs().map(pointwise)),
    "time-in-channels": clips(),
    "time-sum": fitting(convs().filter(lambda conv: conv.dims == 3)),
    "winograd": fitting(convs(kernel=st.just(3), stride=st.just(1), dilation=st.just(1))),
}


def drawn_for(name: str) -> st.SearchStrategy[tuple[Layer, Shapes]]:
    """Draw layers of the kinds that a rewrite is for, with inputs; it may still refuse some."""
    families = catalogue()[name].families
    others: dict[type[Layer], st.SearchStrategy[tuple[Layer, Shapes]]] = {
        DotProductAttention: dot_products(),
        MatMul: products(),
        MultiheadAttention: multiheads(),
        Patchify: patches("Patchify"),
        Rearrange: rearrangements(),
        Unpatchify: patches("Unpatchify"),
    }
    drawn = [strategy for family, strategy in others.items() if family in families]
    drawn += [layouts()] if PixelShuffle in families else []
    drawn += [CHAINS[name]] if Sequential in families else []
    return st.one_of([*drawn, *accepting(catalogue()[name])])


def accepted(name: str) -> st.SearchStrategy[tuple[Layer, Shapes]]:
    """Draw layers that a rewrite holds for, with inputs."""
    rewrite = catalogue()[name]
    return NARROW.get(name, drawn_for(name)).filter(lambda drawn: not rewrite.refuse(*drawn))


@st.composite
def telling(draw: st.DrawFn, name: str) -> tuple[Layer, Shapes]:
    """Draw any layer of the kinds that a rewrite is for, with an input on which no setting is without effect."""
    if name in CHAINS:
        return draw(CHAINS[name])
    drawn = {Conv: convs(), ConvTranspose: transposed(), Linear: linears()}
    families = catalogue()[name].families
    layer = draw(st.one_of([strategy for family, strategy in drawn.items() if family in families]))
    return layer, draw(with_several_windows(layer))


@st.composite
def orders(draw: st.DrawFn, name: str, layer: Layer) -> tuple[str, ...] | None:
    """Draw any order of the patch's axes, or None where there is no choice."""
    rewrite = catalogue()[name]
    return tuple(draw(st.permutations(rewrite.spelt_order(layer.dims).split()))) if rewrite.order else None
