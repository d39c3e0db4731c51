"""Normalisations, as one operator: computed in the accumulator and stored once.

y = (x - mean) / R with R = sqrt(var + eps), of a variance that is off by w. Then R is off by at most
t = w / (R + r), where r = sqrt(max(var + eps - w, eps)) is the least that it may be, and y by (e + e_mean + |y| t) / r;
and of n numbers none is farther from their mean than sqrt(n) times their deviation. Kernels compute x / R - mean / R,
and round |x| / R and |mean| / R.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from convcheck.rounding.running_error import Computed
from convcheck.tracing.errors.arithmetic import product
from convcheck.tracing.errors.call import Call, Rule, length
from convcheck.tracing.errors.reductions import moments
from convcheck.tracing.errors.sums import summed

FEW = 8
"""Roundings of x / R, mean / R, and their difference, with those of R: at most so many units of what is rounded."""


@dataclass(frozen=True)
class Statistics:
    """Mean and variance, and of how many numbers they are, where they are of these very numbers."""

    mean: Computed
    variance: Computed
    terms: float = math.inf
    stored: bool = False
    """Whether a kernel may store mean and root in the dtype."""


def normalised(
    call: Call, x: Computed, known: Statistics, eps: float, weight: Computed | None, bias: Computed | None
) -> Computed:
    """Return `(x - mean) / sqrt(var + eps) * weight + bias`, stored once."""
    unit, unsure = call.unit, known.variance.error
    square = known.variance.value + eps
    root, least = square.sqrt(), (square - unsure).clamp(min=eps).sqrt()
    value = (x.value - known.mean.value) / root
    change = torch.where(unsure == 0, 0.0, unsure / (root + least))
    error = (x.error + known.mean.error + value.abs() * change) / least
    error = error.clamp(max=value.abs() + math.sqrt(known.terms)) if known.terms < math.inf else error
    units = FEW * unit.accumulator + (2 * unit.output if known.stored else 0.0)
    parts = (x.size() + known.mean.size()) / least
    error = error + (2 * unit.underflow / least if known.stored else 0.0)
    result = Computed(value, error + units * parts + (1 + 1 / least) * 2 * unit.sum_underflow)
    if weight is not None:
        parts = parts * weight.size()
        scaled, grown = product(result, weight, unit)
        result = Computed(scaled, grown + 4 * unit.accumulator * parts)
    if bias is not None:
        rounding = 2 * unit.accumulator * (parts + bias.size())
        result = Computed(result.value + bias.value, result.error + bias.error + rounding)
    return call.rounded(result.value, result.error)


def layer_norm(
    call: Call,
    x: Computed,
    shape: Sequence[int],
    weight: Computed | None = None,
    bias: Computed | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Computed:
    axes = range(x.value.ndim - len(shape), x.value.ndim)
    return normalised(call, x, Statistics(*moments(x, axes, call), length(x.value, axes)), eps, weight, bias)


def group_norm(
    call: Call,
    x: Computed,
    groups: int,
    weight: Computed | None = None,
    bias: Computed | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Computed:
    batch, channels, *space = x.value.shape
    grouped = x.mapped(lambda t: t.reshape(batch, groups, -1))
    per_channel = (batch, channels, *(1 for _ in space))

    def spread_out(statistic: Computed) -> Computed:
        return statistic.mapped(lambda t: t.repeat_interleave(channels // groups, 1).reshape(per_channel))

    mean, variance = map(spread_out, moments(grouped, (2,), call))
    known = Statistics(mean, variance, grouped.value.shape[2])
    return normalised(call, x, known, eps, _along_channels(x, weight), _along_channels(x, bias))


def batch_norm(
    call: Call,
    x: Computed,
    weight: Computed | None,
    bias: Computed | None,
    mean: Computed | None,
    variance: Computed | None,
    training: bool,
    _momentum: float,
    eps: float,
    *_: Any,
) -> Computed:
    """Normalise by the statistics of training, or by those of the batch, which are stored."""
    if training or mean is None or variance is None:
        axes = [0, *range(2, x.value.ndim)]
        known = Statistics(*moments(x, axes, call), length(x.value, axes), stored=True)
    else:
        known = Statistics(_spread(x, mean), _spread(x, variance))
    return normalised(call, x, known, eps, _along_channels(x, weight), _along_channels(x, bias))


def instance_norm(
    call: Call,
    x: Computed,
    weight: Computed | None,
    bias: Computed | None,
    mean: Computed | None,
    variance: Computed | None,
    of_input: bool,
    *settings: Any,
) -> Computed:
    """Normalise every image's channel by its own statistics, which are stored."""
    if not of_input:
        return batch_norm(call, x, weight, bias, mean, variance, False, *settings)
    axes = range(2, x.value.ndim)
    known = Statistics(*moments(x, axes, call), length(x.value, axes), stored=True)
    return normalised(call, x, known, settings[1], _along_channels(x, weight), _along_channels(x, bias))


def _along_channels(x: Computed, entries: Computed | None) -> Computed | None:
    return None if entries is None else _spread(x, entries)


def _spread(x: Computed, entries: Computed) -> Computed:
    return entries.mapped(lambda t: t.reshape(-1, *(1 for _ in x.value.shape[2:])))


def root_mean_square_norm(
    call: Call, x: Computed, shape: Sequence[int], weight: Computed | None = None, eps: float | None = None
) -> Computed:
    """Divide by the root of the mean of squares and eps: that of the dtype if there is none, which is not float64's."""
    axes = tuple(range(x.value.ndim - len(shape), x.value.ndim))
    exact, count = torch.zeros_like(x.value), length(x.value, axes)
    whole = summed(lambda t: t.sum(axes, keepdim=True), Computed(x.size().square(), exact), count, call.unit)
    unsure = (2 * x.value.abs() * x.error + x.error.square()).mean(axes, keepdim=True) + whole.error / count
    unsure = unsure + 4 * call.unit.accumulator * whole.value / count
    if eps is None:
        eps, unsure = torch.finfo(torch.float64).eps, unsure + 2 * call.unit.output
    square = Computed(x.value.square().mean(axes, keepdim=True), unsure)
    nothing = Computed(torch.zeros_like(square.value), torch.zeros_like(square.value))
    return normalised(call, x, Statistics(nothing, square, count), eps, weight, None)


RULES: dict[str, Rule] = {
    "rms_norm": root_mean_square_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    # Their further results are for gradients.
    "native_layer_norm": lambda call, *given: (layer_norm(call, *given),),
    "native_group_norm": lambda call, x, w, b, _n, _c, _s, groups, eps: (group_norm(call, x, groups, w, b, eps),),
    "_native_batch_norm_legit": lambda call, x, w, b, training, *given: (
        batch_norm(call, x, w, b, None, None, training, *given),
    ),
    "_native_batch_norm_legit_no_training": lambda call, x, w, b, mean, variance, *given: (
        batch_norm(call, x, w, b, mean, variance, False, *given),
    ),
}
