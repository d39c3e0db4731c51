"""The numbers of a case: at any scale, and such that rounding errors are anything but independent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import torch
from torch import Tensor

from convcheck.layers import Conv, ConvTranspose, Layer, Sequential
from convcheck.sides.sample import Sample
from convcheck.sizes.patterns import Shapes

DECADES = 6.0
"""Scales go from 1e-6 to 1e6."""
FITTING = {"float16": (-5.0, 3.5)}
"""For dtypes of a narrow range, which powers of ten the factors of a case may have between them, so that its products
neither overflow nor all become zero: float16 holds 6e-8 to 65,504."""
BELOW = 2.0
"""By how many powers of ten products may be above the smallest normal number, where they are to be about there."""
BEYOND = 0.15
"""The share of the cases that need not fit."""
DEPENDENT = 0.2
"""The share of the cases whose rounding errors are not independent."""


STATISTICS = ("running_mean", "running_var")


class Kind(StrEnum):
    """What numbers are, beside their scale. All but the first make errors add up rather than cancel."""

    NORMAL = "normal"
    UNSIGNED = "unsigned"
    BIAS = "unsigned, bias outweighs"
    CHANNEL = "unsigned, one channel outweighs"
    INPUTS = "constant inputs"
    WEIGHTS = "constant weights"
    BOTH = "constant inputs and weights"


OUTWEIGHING = {Kind.BIAS: (3.0, 8.0), Kind.CHANNEL: (3.0, 7.0)}
"""By how many powers of ten a bias, or the first channel of the first input, is larger than the others."""


@dataclass(frozen=True)
class Numbers:
    """How the numbers that `verify` draws are changed.

    `powers` are the powers of ten that they are multiplied with: one for every input, then one for every parameter and
    statistic, in the layer's order. `above` is by how many a bias or a channel outweighs the others.
    """

    kind: Kind
    powers: tuple[float, ...]
    above: float = 0.0

    def at(self, layer: Layer, drawn: Sample) -> Sample:
        """Return the changed point; a mask of True and False stays."""
        factors = (10**power for power in self.powers)
        inputs = tuple(_real(self._input, each) for each in drawn.inputs)
        inputs = tuple(_times(each, next(factors)) for each in inputs)
        parameters = {
            name: _times(self._parameter(name, drawn.parameters[name]), next(factors))
            for name in (*layer.parameters(), *layer.statistics())
        }
        if self.kind is Kind.CHANNEL:
            inputs = (self._outweighed(inputs[0], channel_axis(layer)), *inputs[1:])
        return Sample(inputs, parameters)

    def _input(self, tensor: Tensor) -> Tensor:
        if self.kind in (Kind.INPUTS, Kind.BOTH):
            return torch.ones_like(tensor)
        return tensor if self.kind in (Kind.NORMAL, Kind.WEIGHTS) else tensor.abs()

    def _parameter(self, name: str, tensor: Tensor) -> Tensor:
        if self.kind in (Kind.WEIGHTS, Kind.BOTH):
            # Any one number, since sums of ones are exact.
            return tensor.flatten()[:1].expand(tensor.numel()).reshape(tensor.shape)
        if self.kind in (Kind.NORMAL, Kind.INPUTS):
            return tensor
        if self.kind is Kind.BIAS:
            # Half of it each, so that a narrow dtype holds both.
            return tensor.abs() * 10 ** (self.above / 2 if is_bias(name) else -self.above / 2)
        return tensor.abs()

    def _outweighed(self, tensor: Tensor, axis: int) -> Tensor:
        factors = torch.full((tensor.shape[axis],), 10 ** (-self.above / 2), dtype=tensor.dtype)
        factors[0] = 10 ** (self.above / 2)
        return tensor * factors.reshape(-1, *[1] * (-axis - 1))


def _times(tensor: Tensor, factor: float) -> Tensor:
    return tensor * factor if tensor.is_floating_point() else tensor


def _real(change: Callable[[Tensor], Tensor], tensor: Tensor) -> Tensor:
    return change(tensor) if tensor.is_floating_point() else tensor


def is_bias(name: str) -> bool:
    """Tell whether a parameter is one by torch's name for it."""
    return name.endswith("bias")


def channel_axis(layer: Layer) -> int:
    """Return the axis of the first input that holds channels or features, counted from the end."""
    first = layer.layers[0] if isinstance(layer, Sequential) else layer
    return -first.dims - 1 if isinstance(first, (Conv, ConvTranspose)) else -1


def scales(random: Random, count: int, dtype: str, most: float) -> tuple[float, ...]:
    """Draw powers of ten, uniform from -`most` to `most`.

    Where a dtype is narrow, most cases draw one after the other, each from what those before it have left.
    """
    low, high = (-math.inf, math.inf) if random.random() < BEYOND else FITTING.get(dtype, (-math.inf, math.inf))
    drawn = {}
    for index in random.sample(range(count), count):
        power = random.uniform(max(-most, low), min(most, high))
        low, high = low - min(power, 0.0), high - max(power, 0.0)
        drawn[index] = power
    return tuple(drawn[index] for index in range(count))


def kinds_for(layer: Layer, inputs: Shapes) -> list[Kind]:
    """Return which numbers that are not independent a layer can have: without a bias, none that outweighs."""
    names = list(layer.parameters())
    wide = inputs[0] and inputs[0][channel_axis(layer)] > 1
    missing = {Kind.NORMAL} if names else {Kind.NORMAL, Kind.WEIGHTS, Kind.BOTH}
    missing |= set() if any(map(is_bias, names)) else {Kind.BIAS}
    missing |= set() if wide else {Kind.CHANNEL}
    return [kind for kind in Kind if kind not in missing]


def numbers_for(random: Random, layer: Layer, inputs: Shapes, dtype: str) -> Numbers:
    """Draw what a layer is run on. A third of the cases stays near a scale of 1, and all where something outweighs."""
    kind = random.choice(kinds_for(layer, inputs)) if random.random() < DEPENDENT else Kind.NORMAL
    most = 1.0 if kind in OUTWEIGHING else random.choice((DECADES, DECADES, 1.0))
    count = len(inputs) + len(layer.parameters()) + len(layer.statistics())
    above = random.uniform(*OUTWEIGHING[kind]) if kind in OUTWEIGHING else 0.0
    return Numbers(kind, scales(random, count, dtype, most), above)


def subnormal_numbers_for(random: Random, layer: Layer, inputs: Shapes, dtype: str) -> Numbers:
    """Draw numbers whose products are about the smallest that a dtype holds, or a factor of which is itself.

    The power of ten is shared out to the factors at random; biases and means are as small as products, variances of 1.
    """
    info = torch.finfo(getattr(torch, dtype))
    total = random.uniform(math.log10(info.smallest_normal * info.eps), math.log10(info.smallest_normal) + BELOW)
    names = [*(f"input {number}" for number in range(len(inputs))), *layer.parameters(), *layer.statistics()]
    factors = [name for name in names if not is_bias(name) and name.rpartition(".")[2] not in STATISTICS]
    shares = {
        name: random.random() ** random.choice((0, 4))
        for name in random.sample(factors, random.randint(1, len(factors)))
    }
    powers = dict.fromkeys(names, total) | {
        name: total * shares.get(name, 0.0) / sum(shares.values()) for name in factors
    }
    powers |= {name: 0.0 for name in names if name.endswith("running_var")}
    return Numbers(random.choice((Kind.NORMAL, Kind.UNSIGNED)), tuple(powers[name] for name in names))
