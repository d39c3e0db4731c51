"""Convolutions on a grid of settings, with inputs, as a seed draws them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from convcheck.errors import ConvcheckError
from convcheck.layers import Conv, ConvTranspose, Layer, accept, parse_layer
from convcheck.sizes.patterns import Shapes
from convcheck.sizes.windows import span

KERNEL, STRIDE, DILATION, GROUPS, DIMS = 7, 4, 3, 4, 3
"""The largest of each. Paddings go as far as kernels."""
MOST_TAPS = 125
"""A kernel in 3-D has no more."""
MODES = ("zeros", "zeros", "zeros", "reflect", "replicate", "circular")


def layers(count: int, seed: int) -> Iterator[tuple[Layer, Shapes]]:
    """Yield layers that torch runs, each with the shape of an input."""
    random, drawn = Random(seed), 0
    while drawn < count:
        try:
            layer = parse_layer(_transposed(random) if random.random() < 0.25 else _convolution(random))
            inputs = _inputs(random, layer)
            accept(layer, inputs)
        except ConvcheckError:
            continue
        drawn += 1
        yield layer, inputs


def _settings(random: Random, op: str, dims: int) -> dict[str, object]:
    """Draw what both kinds have: often the same along all axes, as most layers have it."""
    groups = random.choice((1, 1, 1, 2, 3, 4))
    kernel = _per_axis(random, dims, 1, KERNEL)
    while math.prod(kernel) > MOST_TAPS:
        kernel = _per_axis(random, dims, 1, KERNEL)
    kind = random.random()
    if kind < 0.2:
        # Patches: a window beside the other.
        kernel = stride = _per_axis(random, dims, 1, STRIDE)
        padding, dilation = [0] * dims, [1] * dims
    else:
        stride = [1] * dims if kind < 0.4 else _per_axis(random, dims, 1, STRIDE)
        dilation = [1] * dims if random.random() < 0.5 else _per_axis(random, dims, 1, DILATION)
        padding = [0] * dims if random.random() < 0.3 else [random.randint(0, size) for size in kernel]
    return {
        "op": f"{op}{dims}d",
        "in_channels": groups * random.randint(1, 3),
        "out_channels": groups * random.randint(1, 3),
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": random.random() < 0.5,
    }


def _convolution(random: Random) -> dict[str, object]:
    settings = _settings(random, "Conv", random.randint(1, DIMS))
    settings["padding_mode"] = random.choice(MODES)
    if random.random() < 0.15:
        settings |= {"padding": "same", "stride": 1}
    return settings


def _transposed(random: Random) -> dict[str, object]:
    dims = random.randint(1, DIMS)
    settings = _settings(random, "ConvTranspose", dims)
    return settings | {"output_padding": [random.choice((0, 0, 1, 2)) for _ in range(dims)]}


def _per_axis(random: Random, dims: int, low: int, high: int) -> list[int]:
    if random.random() < 0.5:
        return [random.randint(low, high)] * dims
    return [random.randint(low, high) for _ in range(dims)]


def _inputs(random: Random, layer: Layer) -> Shapes:
    """Draw an input about as long as is needed; sometimes of one window, sometimes without a batch."""
    assert isinstance(layer, (Conv, ConvTranspose))
    space = []
    for axis, kernel in enumerate(layer.kernel_size):
        need = 1
        if isinstance(layer, Conv):
            before, after = layer.pads[axis]
            need = max(span(kernel, layer.dilation[axis]) - before - after, 1)
            if layer.padding_mode in ("reflect", "circular"):
                need = max(need, max(before, after) + (layer.padding_mode == "reflect"))
        space.append(need)
    if random.random() < 0.8:
        space = [need + random.randint(1, 6) for need in space]
        if random.random() < 0.5:
            # Whole windows, as many a rewrite wants them.
            steps = zip(space, layer.stride, strict=True)
            space = [math.ceil(size / step) * step for size, step in steps]
    batch = [] if random.random() < 0.1 else [random.choice((1, 2, 2, 3))]
    return ((*batch, layer.in_channels, *space),)
