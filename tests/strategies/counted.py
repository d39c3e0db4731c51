"""Layers that the calculator alone knows, and inputs for them, as Hypothesis draws them: many do not fit."""

from __future__ import annotations

from hypothesis import strategies as st
from torch import nn

from convcheck.layers import Layer, parse_layer
from convcheck.layers.kinds.transformer import TransformerStack
from convcheck.modules.build import build
from convcheck.sizes.patterns import Shape, Shapes

small = st.integers(1, 4)
Drawn = tuple[Layer, Shapes]


def shapes_of(rank: st.SearchStrategy[int] | int, most: int = 7) -> st.SearchStrategy[Shape]:
    """Draw a shape of so many axes."""
    ranks = st.just(rank) if isinstance(rank, int) else rank
    return ranks.flatmap(lambda axes: st.lists(st.integers(1, most), min_size=axes, max_size=axes).map(tuple))


@st.composite
def _with_channels(draw: st.DrawFn, channels: int, dims: int, most: int = 7) -> Shape:
    """Draw `[batch, channels, *space]`, or without a batch; now and then of other channels."""
    space = draw(shapes_of(dims, most))
    number = channels if draw(st.integers(0, 4)) else draw(small)
    return (*draw(st.sampled_from([(2,), (1,), ()])), number, *space)


def one_or_several(values: st.SearchStrategy[object], dims: int) -> st.SearchStrategy[object]:
    """Draw one value, or one for every axis."""
    return st.one_of(values, st.lists(values, min_size=dims, max_size=dims).map(tuple))


@st.composite
def adaptive(draw: st.DrawFn) -> Drawn:
    """Draw a pooling to a size."""
    dims, kind = draw(st.integers(1, 3)), draw(st.sampled_from(["Avg", "Max"]))
    several = st.lists(st.one_of(small, st.none()) if dims > 1 else small, min_size=dims, max_size=dims).map(tuple)
    size = draw(st.one_of(small, several))
    indices = {"return_indices": draw(st.booleans())} if kind == "Max" else {}
    layer = parse_layer({"op": f"Adaptive{kind}Pool{dims}d", "output_size": size, **indices})
    return layer, (draw(_with_channels(3, dims)),)


@st.composite
def norms(draw: st.DrawFn) -> Drawn:
    """Draw a normalisation, with and without weights and statistics."""
    kind = draw(st.sampled_from(["LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm", "SyncBatchNorm"]))
    affine, bias, tracked = (draw(st.booleans()) for _ in range(3))
    eps = draw(st.sampled_from([1e-5, 1e-6, 0.5]))
    if kind in ("LayerNorm", "RMSNorm"):
        last = draw(shapes_of(st.integers(1, 2), 3))
        more = {"bias": bias} if kind == "LayerNorm" else {}
        layer = parse_layer({"op": kind, "normalized_shape": last, "eps": eps, "elementwise_affine": affine, **more})
        shape = draw(
            st.one_of(shapes_of(st.integers(0, 2)).map(lambda lead: (*lead, *last)), shapes_of(st.integers(1, 4), 3))
        )
        return layer, (shape,)
    if kind == "GroupNorm":
        groups, each = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        given = {"num_groups": groups, "num_channels": groups * each, "eps": eps, "affine": affine, "bias": bias}
        return parse_layer({"op": kind, **given}), (
            (draw(small), groups * each, *draw(shapes_of(st.integers(0, 2), 3))),
        )
    dims, features = draw(st.integers(1, 3)), draw(small)
    given = {"num_features": features, "eps": eps, "affine": affine, "track_running_stats": tracked, "bias": bias}
    name = f"InstanceNorm{dims}d" if kind == "InstanceNorm" else kind
    layer = parse_layer({"op": name, "momentum": draw(st.sampled_from([0.1, None])), **given})
    if not (affine or tracked) or kind == "SyncBatchNorm":
        # torch warns of other channels, and InstanceNorm takes them.
        return layer, ((draw(small), features, *draw(shapes_of(dims, 3))),)
    return layer, (draw(_with_channels(features, dims, 3)),)


@st.composite
def lookups(draw: st.DrawFn) -> Drawn:
    """Draw a table, whose input is of zeros or ones."""
    rows, width = draw(st.integers(2, 5)), draw(small)
    if draw(st.booleans()):
        given = {"padding_idx": draw(st.sampled_from([None, 0, 1])), "max_norm": draw(st.sampled_from([None, 2.0]))}
        layer = parse_layer({"op": "Embedding", "num_embeddings": rows, "embedding_dim": width, **given})
        return layer, (draw(shapes_of(st.integers(0, 3))),)
    mode = draw(st.sampled_from(["sum", "mean", "max"]))
    layer = parse_layer({"op": "EmbeddingBag", "num_embeddings": rows, "embedding_dim": width, "mode": mode})
    return layer, (draw(shapes_of(st.integers(1, 3))),)


@st.composite
def upsamplings(draw: st.DrawFn) -> Drawn:
    """Draw a change of an image's size."""
    dims = draw(st.integers(1, 3))
    kind = draw(st.sampled_from(["Upsample", "Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"]))
    if kind != "Upsample":
        dims = 2
    if draw(st.booleans()):
        given: dict[str, object] = {"size": draw(one_or_several(st.integers(1, 9), dims))}
    else:
        given = {"scale_factor": draw(one_or_several(st.sampled_from([1, 2, 3, 0.5, 0.3, 1.5, 2.7, 1 / 3]), dims))}
    if kind == "Upsample":
        linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[dims]
        smooth = [linear, "bicubic"] if dims == 2 else [linear]
        given["mode"] = mode = draw(st.sampled_from(["nearest", "nearest-exact", "area", *smooth]))
        if mode in smooth:
            given["align_corners"] = draw(st.sampled_from([None, False, True]))
    elif kind == "UpsamplingBilinear2d":
        given["mode"] = "bilinear"
    rank = st.sampled_from([dims + 2, dims + 2, dims + 2, 2, 3, 4])
    return parse_layer({"op": kind, **given}), (draw(shapes_of(rank, 9)),)


@st.composite
def pads(draw: st.DrawFn) -> Drawn:
    """Draw a padding, some of which cuts off."""
    kind, dims = (
        draw(st.sampled_from(["Zero", "Constant", "Reflection", "Replication", "Circular"])),
        draw(st.integers(1, 3)),
    )
    least = draw(st.sampled_from([0, 0, -2]))
    numbers = st.integers(least, 4)
    padding = draw(st.one_of(numbers, st.lists(numbers, min_size=2 * dims, max_size=2 * dims).map(tuple)))
    more = {"value": draw(st.sampled_from([0, 1.5]))} if kind == "Constant" else {}
    layer = parse_layer({"op": f"{kind}Pad{dims}d", "padding": padding, **more})
    return layer, (draw(shapes_of(st.sampled_from([dims, dims + 1, dims + 2, dims + 2]))),)


@st.composite
def of_channels(draw: st.DrawFn) -> Drawn:
    """Draw what looks at one axis."""
    kind = draw(st.sampled_from(["PReLU", "GLU", "ChannelShuffle"]))
    number = draw(small)
    if kind == "PReLU":
        return parse_layer(f"PReLU({number})"), (
            draw(st.one_of(shapes_of(st.integers(1, 4)), _with_channels(number, 2))),
        )
    if kind == "GLU":
        return parse_layer(f"GLU({draw(st.integers(-3, 2))})"), (draw(shapes_of(st.integers(1, 4))),)
    lead = draw(small)
    shape = draw(
        st.one_of(shapes_of(st.integers(1, 4)), shapes_of(st.integers(1, 2)).map(lambda s: (lead, 2 * number, *s)))
    )
    return parse_layer(f"ChannelShuffle({number})"), (shape,)


@st.composite
def keeping(draw: st.DrawFn) -> Drawn:
    """Draw what keeps a shape."""
    texts = (
        *("Threshold(0.1, 20)", "Hardshrink()", "Softshrink(0.3)", "Tanhshrink()", "RReLU()", "RReLU(0.1, 0.2)"),
        *(
            "Softmax2d()",
            "Softmin(-1)",
            "Softmin(1)",
            "LocalResponseNorm(3)",
            "LocalResponseNorm(2, k=2)",
            "CrossMapLRN2d(2)",
        ),
    )
    return parse_layer(draw(st.sampled_from(texts))), (draw(shapes_of(st.integers(1, 5))),)


@st.composite
def lp_pools(draw: st.DrawFn) -> Drawn:
    """Draw a pooling by a norm."""
    dims = draw(st.integers(1, 3))
    sizes = st.integers(1, 4)
    given: dict[str, object] = {"norm_type": draw(st.sampled_from([1, 2, 2.5]))}
    given["kernel_size"] = draw(sizes if dims == 1 else one_or_several(sizes, dims))
    if draw(st.booleans()):
        given["stride"] = draw(sizes if dims == 1 else one_or_several(sizes, dims))
    layer = parse_layer({"op": f"LPPool{dims}d", **given, "ceil_mode": draw(st.booleans())})
    return layer, (draw(shapes_of(st.sampled_from([dims + 1, dims + 2, dims + 2, dims]))),)


@st.composite
def recurrent(draw: st.DrawFn) -> Drawn:
    """Draw a recurrent layer, or one step of it."""
    kind = draw(st.sampled_from(["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"]))
    taken, state = draw(small), draw(st.integers(2, 4))
    given: dict[str, object] = {"input_size": taken, "hidden_size": state, "bias": draw(st.booleans())}
    if kind.startswith("RNN"):
        given["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if not kind.endswith("Cell"):
        given |= {"num_layers": draw(st.integers(1, 3)), "batch_first": draw(st.booleans())}
        given["bidirectional"] = draw(st.booleans())
        if kind == "LSTM":
            given["proj_size"] = draw(st.sampled_from([0, 0, 1]))
    features = taken if draw(st.integers(0, 5)) else draw(small)
    lead = draw(shapes_of(st.integers(0, 3), 3))
    return parse_layer({"op": kind, **given}), ((*lead, features),)


@st.composite
def bilinears(draw: st.DrawFn) -> Drawn:
    """Draw a product of two inputs."""
    first, second, out = draw(small), draw(small), draw(small)
    layer = parse_layer(
        {
            "op": "Bilinear",
            "in1_features": first,
            "in2_features": second,
            "out_features": out,
            "bias": draw(st.booleans()),
        }
    )
    lead = draw(shapes_of(st.integers(0, 2)))
    other = lead if draw(st.integers(0, 3)) else draw(shapes_of(st.integers(0, 2)))
    return layer, ((*lead, first), (*other, second))


@st.composite
def transformers(draw: st.DrawFn) -> Drawn:
    """Draw a layer of a transformer, or a stack of them, with inputs of which one in six does not fit."""
    heads, each, wide = draw(st.integers(1, 3)), draw(small), draw(small)
    given = f"{heads * each}, {heads}, {wide}, batch_first={draw(st.booleans())}, bias={draw(st.booleans())}"
    kind = draw(st.sampled_from(["Encoder", "Decoder"]))
    text = f"Transformer{kind}Layer({given}, norm_first={draw(st.booleans())})"
    if draw(st.booleans()):
        text = f"Transformer{kind}({text}, {draw(st.integers(1, 3))})"
    width = heads * each if draw(st.integers(0, 5)) else draw(small)
    first, last = draw(st.tuples(small, small)), draw(small)
    inputs: list[Shape] = [(*first, width)]
    if kind == "Decoder":
        inputs.append((first[0], last, width) if draw(st.booleans()) else (last, first[1], width))
    return parse_layer(text), tuple(inputs)


COUNTED: dict[str, st.SearchStrategy[Drawn]] = {
    "pools to a size": adaptive(),
    "norms": norms(),
    "tables": lookups(),
    "upsampling": upsamplings(),
    "pads": pads(),
    "of channels": of_channels(),
    "keeping": keeping(),
    "pools by a norm": lp_pools(),
    "recurrent": recurrent(),
    "bilinear": bilinears(),
    "transformers": transformers(),
}
"""Layers with inputs, family by family."""


def module_of(layer: Layer) -> nn.Module:
    """Return torch's module of a layer; of a stack, with modules in it."""
    if isinstance(layer, TransformerStack):
        made = getattr(nn, layer.kind)
        norm = None if layer.norm is None else build(layer.norm)
        # Of an encoder, torch warns where it cannot take nested tensors.
        nested = {"enable_nested_tensor": False} if layer.kind == "TransformerEncoder" else {}
        module: nn.Module = made(build(layer.layer), layer.num_layers, norm, **nested)
        return module
    return build(layer)


INTEGERS = ("Embedding", "EmbeddingBag")
"""Kinds that take whole numbers, below the rows of their table."""
