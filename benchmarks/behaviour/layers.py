"""Layers as texts, with inputs, drawn from random numbers: small ones of all kinds, most of which fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import Random

from benchmarks.behaviour.operations import (
    Drawn,
    attention,
    batch,
    flatten,
    heads,
    patches,
    product,
    rearrange,
    shuffle,
)
from benchmarks.behaviour.windows import conv, numbers, pool, transposed


def _conv(random: Random) -> Drawn:
    layer = conv(random)
    assert layer.channels
    return Drawn(str(layer), ((*batch(random), layer.channels[0], *layer.space(random)),))


def _covering(random: Random) -> Drawn:
    space = numbers(random, random.choice((1, 2, 3)), 1, 3)
    into, out = numbers(random, 2, 1, 4)
    return Drawn(f"Conv{len(space)}d({into}, {out}, kernel_size={space})", ((*batch(random), into, *space),))


def _transposed(random: Random) -> Drawn:
    layer = transposed(random)
    assert layer.channels
    return Drawn(str(layer), ((*batch(random), layer.channels[0], *layer.space(random)),))


def _pool(random: Random) -> Drawn:
    layer = pool(random)
    return Drawn(str(layer), ((*batch(random), random.randint(1, 3), *layer.space(random)),))


def _linear(random: Random) -> Drawn:
    into, out = numbers(random, 2, 1, 7)
    bias = random.choice(("", ", bias=False"))
    return Drawn(f"Linear({into}, {out}{bias})", ((*numbers(random, random.randint(0, 3), 1, 3), into),))


def _normalised(random: Random) -> Drawn:
    drawn = random.choice((conv, transposed))(random)
    assert drawn.channels
    out, dims = drawn.channels[1], len(drawn.kernel)
    eps = random.choice(("", ", eps=0.001", ", eps=0.5", ", affine=False", ", track_running_stats=False"))
    if random.random() < 0.2:
        return Drawn(f"Sequential(Linear(5, {out}), BatchNorm1d({out}{eps}))", ((random.randint(2, 4), 5),))
    shape = (random.randint(1, 3), drawn.channels[0], *drawn.space(random))
    return Drawn(f"Sequential({drawn}, BatchNorm{dims}d({out}{eps}))", (shape,))


def _two_convs(random: Random) -> Drawn:
    dims = random.choice((1, 2, 2, 3))
    styles = random.choice((("any", "point"), ("point", "any"), ("depthwise", "point"), ("three", "three")))
    first = conv(random, dims, style=styles[0])
    assert first.channels
    second = conv(random, dims, into=first.channels[1], style=styles[1])
    space = tuple(n + 8 for n in first.space(random)) if dims < 3 else tuple(n + 6 for n in first.space(random, 0))
    return Drawn(f"Sequential({first}, {second})", ((*batch(random), first.channels[0], *space),))


def _shuffled(random: Random) -> Drawn:
    factor, into = random.randint(1, 3), random.randint(1, 3)
    kernel = random.randint(1, 3)
    first = f"Conv2d({into}, {factor**2 * random.randint(1, 2)}, {kernel}, padding={random.randint(0, 1)})"
    shape = (*batch(random), into, *numbers(random, 2, kernel, kernel + 3))
    return Drawn(f"Sequential({first}, PixelShuffle({factor}))", (shape,))


def _columns(random: Random) -> Drawn:
    kernel, stride = random.randint(1, 3), random.randint(1, 2)
    height, width = numbers(random, 2, kernel, 6)
    if random.random() < 0.5:
        return Drawn(f"Unfold({kernel}, stride={stride})", ((*batch(random), 2, height, width),))
    columns = math.prod((n - kernel) // stride + 1 for n in (height, width))
    text = f"Fold({(height, width)}, {kernel}, stride={stride})"
    return Drawn(text, ((*batch(random), 2 * kernel**2, columns),))


def _pointwise(random: Random) -> Drawn:
    texts = ("ReLU()", "GELU()", "LeakyReLU(0.2)", "Dropout(0.5)", "Softmax(dim=-1)", "Identity()", "BatchNorm2d(2)")
    return Drawn(random.choice(texts), ((2, 2, *numbers(random, 2, 1, 4)),))


KINDS: Mapping[Callable[[Random], Drawn], int] = {
    _conv: 32,
    _covering: 3,
    _transposed: 18,
    _linear: 4,
    _normalised: 6,
    _two_convs: 7,
    _shuffled: 4,
    shuffle: 3,
    flatten: 3,
    rearrange: 3,
    patches: 5,
    product: 3,
    attention: 4,
    heads: 4,
    _pool: 4,
    _columns: 2,
    _pointwise: 2,
}
"""How many times as many are drawn of every kind."""


def any_layer(random: Random) -> Drawn:
    """Draw a layer of any kind, with inputs."""
    return random.choices(list(KINDS), list(KINDS.values()))[0](random)
