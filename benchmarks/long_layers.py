"""Layers with long sums: many channels or features, few positions, so that a case takes milliseconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

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
    Sequential,
    Unpatchify,
    parse_layer,
)
from convcheck.sizes.patterns import Shapes

Drawn = tuple[Layer, Shapes]

LONGEST = 100_000
KEYS = 8192
"""A longer row of attention takes long rather than tells more."""
TRIES = 400


def log_uniform(random: Random, most: int) -> int:
    """Draw a whole number from 1 to `most`, every decade as likely as another."""
    return round(math.pow(most, random.random()))


def linear(random: Random, terms: int) -> Drawn:
    """Draw a Linear with so many features."""
    layer = parse_layer(f"Linear({terms}, {random.randint(1, 4)}, bias={random.random() < 0.5})")
    return layer, ((random.randint(1, 3), terms),)


def product(random: Random, terms: int) -> Drawn:
    """Draw a product of two matrices."""
    m, p = random.randint(1, 3), random.randint(1, 3)
    kind = random.choice(("mm", "bmm", "matmul"))
    batch = (2,) if kind == "bmm" else ()
    return parse_layer(f"{kind}()"), ((*batch, m, terms), (*batch, terms, p))


def sizes(random: Random, terms: int) -> tuple[int, list[int], list[int]]:
    """Draw (channels, kernel, stride) that make about so many products; every rewrite's favourites are among them."""
    dims = random.randint(1, 3)
    taps = random.choice(([1] * dims, [3] * dims, [random.randint(1, 4) for _ in range(dims)]))
    while math.prod(taps) > terms:
        taps = [max(1, k - 1) for k in taps]
    stride = random.choice(([1] * dims, taps, [random.randint(1, 3) for _ in range(dims)]))
    return max(1, round(terms / math.prod(taps))), taps, stride


def conv_of(random: Random, terms: int, out: int, dims: int | None = None) -> tuple[Conv, list[int]]:
    """Draw a convolution that makes so many products for an output, and lengths that it can take."""
    while True:
        into, kernel, stride = sizes(random, terms)
        if dims in (None, len(kernel)):
            break
    groups = random.choice((1, 1, 2))
    # Where windows neither overlap nor leave gaps, most rewrites want them plain.
    plain = stride == kernel or random.random() < 0.5
    layer = parse_layer(
        {
            "op": f"Conv{len(kernel)}d",
            "in_channels": into * groups,
            "out_channels": out * groups,
            "kernel_size": kernel,
            "stride": stride,
            "padding": [0 if plain else random.randint(0, 1) for _ in kernel],
            "dilation": [1 if plain else random.randint(1, 2) for _ in kernel],
            "groups": groups,
            "bias": random.random() < 0.5,
        }
    )
    assert isinstance(layer, Conv)
    more = 0 if terms > LONGEST // 10 else random.choice((0, 2))
    return layer, [max(1, w.dilation * (w.kernel - 1) + 1 - 2 * w.before) + more for w in layer.windows]


def conv(random: Random, terms: int) -> Drawn:
    """Draw a convolution and an input of few windows."""
    layer, space = conv_of(random, terms, random.randint(1, 2))
    batch = random.choice(((), (1,), (2,)))
    return layer, ((*batch, layer.in_channels, *space),)


def transposed(random: Random, terms: int) -> Drawn:
    """Draw a transposed convolution and an input of few positions."""
    into, kernel, stride = sizes(random, terms)
    groups = random.choice((1, 1, 2))
    layer = parse_layer(
        {
            "op": f"ConvTranspose{len(kernel)}d",
            "in_channels": into * groups,
            "out_channels": random.randint(1, 2) * groups,
            "kernel_size": kernel,
            "stride": stride,
            "groups": groups,
            "bias": random.random() < 0.5,
        }
    )
    space = (random.randint(1, 2) for _ in kernel)
    return layer, ((random.randint(1, 2), into * groups, *space),)


def patches(random: Random, terms: int) -> Drawn:
    """Draw a Patchify or an Unpatchify of few patches."""
    into, patch, stride = sizes(random, terms)
    kind = random.choice(("Patchify", "Unpatchify"))
    layer = parse_layer(
        {
            "op": kind,
            "in_features": into,
            "out_features": random.randint(1, 3),
            "data_dim": len(patch),
            "patch_size": patch,
            "stride": stride,
            "bias": random.random() < 0.5,
        }
    )
    grid = [random.randint(1, 2) for _ in patch]
    covered = [(n - 1) * s + k for n, s, k in zip(grid, stride, patch, strict=True)]
    return layer, ((2, *(covered if kind == "Patchify" else grid), into),)


def chain(*layers: Layer) -> Sequential:
    """Put layers one after the other."""
    return Sequential("Sequential", layers)


def normalised(random: Random, terms: int) -> Drawn:
    """Draw a layer with weights, then BatchNorm."""
    layer, (shape,) = random.choice((conv, transposed, linear))(random, terms)
    shape = (random.randint(1, 2), *shape[-layer.dims - 1 :])
    features, eps = layer.output_shape(shape)[1], random.choice((1e-5, 1e-3, 0.1))
    return chain(layer, parse_layer(f"BatchNorm{max(1, layer.dims)}d({features}, eps={eps})")), (shape,)


def normalised_before(random: Random, terms: int) -> Drawn:
    """Draw BatchNorm, then a layer with weights."""
    layer, (shape,) = random.choice((conv, linear))(random, terms)
    shape = (random.randint(1, 2), *shape[-layer.dims - 1 :])
    eps = random.choice((1e-5, 1e-3, 0.1))
    return chain(parse_layer(f"BatchNorm{max(1, layer.dims)}d({shape[1]}, eps={eps})"), layer), (shape,)


def mixing(random: Random, first: Layer, channels: int) -> Layer:
    """Draw a 1x1 convolution behind another one."""
    return parse_layer(f"Conv{first.dims}d({channels}, {random.randint(1, 2)}, 1, bias={random.random() < 0.5})")


def two_convs(random: Random, terms: int) -> Drawn:
    """Draw a convolution and a 1x1 convolution, which share the products between them."""
    middle = log_uniform(random, min(terms, 256))
    first, space = conv_of(random, max(1, terms // middle), middle)
    shape = (random.randint(1, 2), first.in_channels, *space)
    return chain(first, mixing(random, first, first.out_channels)), (shape,)


def two_linears(random: Random, terms: int) -> Drawn:
    """Draw two Linears, which share the products between them."""
    middle = log_uniform(random, min(terms, 256))
    first = parse_layer(f"Linear({max(1, terms // middle)}, {middle}, bias={random.random() < 0.5})")
    second, _ = linear(random, middle)
    return chain(first, second), ((random.randint(1, 3), max(1, terms // middle)),)


def separable(random: Random, terms: int) -> Drawn:
    """Draw a depthwise convolution and a 1x1 convolution; torch takes long over many groups, so kernels grow, too."""
    channels, dims = log_uniform(random, min(terms, 256)), random.randint(1, 2)
    kernel = [max(1, round((terms / channels) ** (1 / dims)))] * dims
    own = f"groups={channels}, bias={random.random() < 0.5}"
    depthwise = parse_layer(f"Conv{dims}d({channels}, {channels}, {kernel}, {own})")
    space = [k + random.randint(0, 1) for k in kernel]
    return chain(depthwise, mixing(random, depthwise, channels)), ((random.randint(1, 2), channels, *space),)


def shuffled(random: Random, terms: int) -> Drawn:
    """Draw a convolution, then PixelShuffle."""
    first, space = conv_of(random, terms, 4, dims=2)
    return chain(first, parse_layer("PixelShuffle(2)")), ((1, first.in_channels, *space),)


def attention(random: Random, terms: int) -> Drawn:
    """Draw an attention with a long row of keys or, less often, with many features."""
    keys, features = min(terms, KEYS), log_uniform(random, 32)
    if random.random() < 0.3:
        keys, features = random.randint(1, 8), min(terms, 4 * KEYS)
    rows, heads, width = random.randint(1, 3), random.randint(1, 2), log_uniform(random, 8)
    if random.random() < 0.5:
        # torch's fused kernel takes values as wide as the keys.
        width = features
    mask = random.choice((None, "bool", "float"))
    masks = ((rows, keys),) if mask else ()
    layer = parse_layer({"op": "scaled_dot_product_attention", "attn_mask": mask})
    return layer, ((1, heads, rows, features), (1, heads, keys, features), (1, heads, keys, width), *masks)


def multihead(random: Random, terms: int) -> Drawn:
    """Draw an attention of several heads with many keys or, less often, with many features."""
    heads = random.randint(1, 2)
    keys, width = min(terms, KEYS // 4), heads * log_uniform(random, 8)
    if random.random() < 0.3:
        keys, width = random.randint(1, 8), heads * min(terms, 256)
    rows = random.randint(1, 3)
    layer = parse_layer(f"MultiheadAttention({width}, {heads}, batch_first=True, bias={random.random() < 0.5})")
    return layer, ((1, rows, width), (1, keys, width), (1, keys, width))


FAMILIES: dict[type[Layer], Callable[[Random, int], Drawn]] = {
    Conv: conv,
    ConvTranspose: transposed,
    DotProductAttention: attention,
    Linear: linear,
    MatMul: product,
    MultiheadAttention: multihead,
    Patchify: patches,
    Unpatchify: patches,
}


def cut(random: Random, terms: int) -> Drawn:
    """Draw a rearrange that cuts out patches, and a Linear on them."""
    into, patch, _ = sizes(random, terms)
    space = " ".join(f"(n{axis} k{axis})" for axis in range(len(patch)))
    grid, kernel = (" ".join(f"{letter}{axis}" for axis in range(len(patch))) for letter in "nk")
    lengths = {f"k{axis}": k for axis, k in enumerate(patch)}
    pattern = f"b i {space} -> b ({grid}) ({kernel} i)"
    rearranged = parse_layer({"op": "rearrange", "pattern": pattern, **lengths})
    return chain(rearranged, linear(random, into * math.prod(patch))[0]), ((1, into, *(k * 2 for k in patch)),)


def laid(random: Random, terms: int) -> Drawn:
    """Draw a Linear, and a rearrange that lays its outputs side by side as patches."""
    drawn, (_, patch, _) = random.randint(1, 4), sizes(random, min(terms, 64))
    space = " ".join(f"(n{axis} k{axis})" for axis in range(len(patch)))
    grid, kernel = (" ".join(f"{letter}{axis}" for axis in range(len(patch))) for letter in "nk")
    lengths = {f"k{axis}": k for axis, k in enumerate(patch)}
    layout = parse_layer({"op": "rearrange", "pattern": f"b {grid} ({kernel} i) -> b i {space}", **lengths})
    first = parse_layer(f"Linear({terms}, {drawn * math.prod(patch)}, bias={random.random() < 0.5})")
    return chain(first, layout), ((1, *(2,) * len(patch), terms),)


CHAINS: dict[str, Callable[[Random, int], Drawn]] = {
    "fold-batchnorm": normalised,
    "fold-batchnorm-forward": normalised_before,
    "merge-convs": two_convs,
    "merge-linears": two_linears,
    "merge-separable": separable,
    "patches-as-conv": cut,
    "patches-as-transposed": laid,
    "shuffle-as-transposed": shuffled,
}


def makers(name: str) -> list[Callable[[Random, int], Drawn]]:
    """Return what draws long layers of the kinds that a rewrite is for: nothing where it only moves entries."""
    if name in CHAINS:
        return [CHAINS[name]]
    return [draw for family, draw in FAMILIES.items() if family in catalogue()[name].families]


def drawn_for(name: str, random: Random) -> Drawn:
    """Draw a layer that a rewrite holds for; the products in one output are log-uniform up to `LONGEST`."""
    rewrite = catalogue()[name]
    for _ in range(TRIES):
        terms = log_uniform(random, LONGEST)
        for _ in range(TRIES):
            layer, shapes = random.choice(makers(name))(random, terms)
            if not rewrite.refuse(layer, shapes):
                return layer, shapes
    raise RuntimeError(f"no long layer for {name} was found in {TRIES} tries")
