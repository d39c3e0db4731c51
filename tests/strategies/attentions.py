"""Attention as Hypothesis draws it: every kind of mask, leading axes that broadcast, grouped heads, cross attention."""

from __future__ import annotations

import math

import torch
from hypothesis import strategies as st
from torch import nn

from convcheck.layers import DotProductAttention, Layer, MultiheadAttention, parse_layer
from convcheck.sides import samples
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape, Shapes

length = st.integers(1, 5)
few = st.integers(1, 3)


@st.composite
def alike(draw: st.DrawFn, shape: Shape) -> Shape:
    """Draw a shape that broadcasts to `shape`: some axes of length 1, some leading ones left out."""
    drawn = tuple(draw(st.sampled_from([n, n, 1])) for n in shape)
    return drawn[draw(st.integers(0, len(shape))) :] if draw(st.booleans()) else drawn


@st.composite
def dot_products(draw: st.DrawFn) -> tuple[DotProductAttention, Shapes]:
    """Draw an attention with inputs that torch takes; half of them such that torch runs its fused kernel."""
    mask = draw(st.sampled_from([None, "bool", "float"]))
    grouped = draw(st.booleans())
    fused = draw(st.booleans())
    causal = mask is None and draw(st.booleans())
    layer = parse_layer(
        {
            "op": "scaled_dot_product_attention",
            "attn_mask": mask,
            "is_causal": causal,
            "scale": draw(st.sampled_from([None, 0.5, 1.0, 2.0 if causal else -0.25])),
            "enable_gqa": grouped,
        }
    )
    assert isinstance(layer, DotProductAttention)
    rows, keys, features = draw(length), draw(length), draw(length)
    shares = draw(few) if grouped else 1
    heads = draw(few)
    batch = (draw(few),) if fused else draw(st.lists(few, max_size=2).map(tuple))
    # Without groups, two axes are enough.
    axis = (heads * shares,) if grouped or fused or draw(st.booleans()) else ()
    lead = (*batch, *axis) if axis else ()
    query = (*lead, rows, features)
    others = []
    for last in (features, features if fused else draw(length)):
        own = (*lead[:-1], heads) if grouped else lead
        if not fused:
            own = (*draw(alike(own[:-1])), own[-1]) if grouped else draw(alike(own))
        others.append((*own, keys, last))
    if mask is None:
        return layer, (query, *others)
    scores = (*lead, rows, keys)
    drawn = draw(alike(scores))
    return layer, (query, *others, drawn if len(drawn) > 1 else scores)


@st.composite
def multiheads(draw: st.DrawFn) -> tuple[MultiheadAttention, Shapes]:
    """Draw attention of several heads with inputs that torch takes: itself or others, batched or not, masked or not."""
    heads = draw(few)
    width = heads * draw(few)
    cross = draw(st.booleans())
    layer = parse_layer(
        {
            "op": "MultiheadAttention",
            "embed_dim": width,
            "num_heads": heads,
            "bias": draw(st.booleans()),
            "add_bias_kv": draw(st.booleans()),
            "add_zero_attn": draw(st.booleans()),
            "kdim": draw(st.sampled_from([None, width, 4])) if cross else None,
            "vdim": draw(st.sampled_from([None, width, 5])) if cross else None,
            "batch_first": draw(st.booleans()),
            "dropout": draw(st.sampled_from([0.0, 0.5])),
        }
    )
    assert isinstance(layer, MultiheadAttention)
    batch = draw(st.sampled_from([(), (1,), (3,)]))

    def tokens(count: int, features: int) -> Shape:
        return (*batch, count, features) if layer.batch_first else (count, *batch, features)

    rows, keys = draw(length), draw(length)
    if not cross:
        return layer, (tokens(rows, width),)
    shapes = tokens(rows, width), tokens(keys, layer.key_features), tokens(keys, layer.value_features)
    mask = draw(st.sampled_from([(), ((rows, keys),), ((math.prod(batch) * heads, rows, keys),)]))
    return layer, (*shapes, *mask)


@st.composite
def bent(draw: st.DrawFn, shapes: Shapes) -> Shapes:
    """Draw shapes that are wrong in one place, or still right by luck."""
    which = draw(st.integers(0, len(shapes) - 1))
    shape = list(shapes[which])
    at = draw(st.integers(0, len(shape) - 1))
    match draw(st.sampled_from(["longer", "dropped", "added", "one"])):
        case "longer":
            shape[at] += 1
        case "dropped" if len(shape) > 1:
            del shape[at]
        case "added":
            shape.insert(at, draw(few))
        case _:
            shape[at] = 1
    return (*shapes[:which], tuple(shape), *shapes[which + 1 :])


def drawn_point(layer: Layer, shapes: Shapes, seed: int = 0, dtype: torch.dtype = torch.float64) -> Sample:
    """Fill inputs and parameters with normal numbers, and masks with True and False."""
    # Shapes may be such as the layer refuses.
    statistics, masks = layer.statistics(), layer.boolean_inputs()
    side = Side("drawn", nn.Identity(), shapes, layer.parameters(), None, statistics=statistics, boolean_inputs=masks)
    return samples.normals(side, {}, dtype, torch.Generator().manual_seed(seed))
