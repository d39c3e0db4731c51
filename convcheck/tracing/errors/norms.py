"""Normalisations, as one operator: computed in the accumulator and stored once.

y = (x - mean) / sqrt(var + eps), and the root R is 1-Lipschitz in the norm of what is open: it is off by t, at most
w / (R + sqrt(R^2 - w)) with w the error of the variance. So y is off by (e + e_mean + |y| t) / (R - t). Kernels compute
x / R - mean / R, and round |x| / R and |mean| / R.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convcheck.rounding.running_error import Computed
from convcheck.tracing.errors.arithmetic import product
from convcheck.tracing.errors.call import Call, Rule
from convcheck.tracing.errors.reductions import moments


def _normalised(
    call: Call, x: Computed, middle: Computed, spread: Computed, eps: float, weight: Computed | None, bias: Computed | None
) -> Computed:
    """Return `(x - middle) / sqrt(spread + eps) * weight + bias`, stored once."""
    unit = call.unit
    square = spread.value + eps
    root = square.sqrt()
    least = (square - spread.error).clamp(min=0).sqrt()
    change = torch.where(spread.error == 0, 0.0, spread.error / (root + least))
    value = (x.value - middle.value) / root
    error = (x.error + middle.error + value.abs() * change) / least
    # Mean and root are rounded, and the two parts before they are subtracted.
    parts = (x.size() + middle.size()) / least
    normal = Computed(value, error + 8 * unit.accumulator * parts + unit.sum_underflow * (1 + parts))
    if weight is not None:
        parts = parts * weight.size()
        scaled, grown = product(normal, weight, unit)
        normal = Computed(scaled, grown + 4 * unit.accumulator * parts)
    if bias is not None:
        sum_error = normal.error + bias.error + unit.accumulator * (normal.size() + bias.size() + parts)
        normal = Computed(normal.value + bias.value, sum_error)
    return call.rounded(normal.value, normal.error)


def layer_norm(
    call: Call, x: Computed, shape: Sequence[int], weight: Computed | None, bias: Computed | None, eps: float
) -> tuple[Computed, ...]:
    """Normalise the last axes; also returns mean and 1 / root, which are for gradients, without bounds."""
    axes = range(x.value.ndim - len(shape), x.value.ndim)
    return (_normalised(call, x, *moments(x, axes, call), eps, weight, bias),)


def group_norm(
    call: Call,
    x: Computed,
    weight: Computed | None,
    bias: Computed | None,
    batch: int,
    channels: int,
    _space: int,
    groups: int,
    eps: float,
) -> tuple[Computed, ...]:
    shape = x.value.shape
    grouped = x.mapped(lambda t: t.reshape(batch, groups, -1))
    per_channel = (batch, channels, *(1 for _ in shape[2:]))

    def spread_out(statistic: Computed) -> Computed:
        return statistic.mapped(lambda t: t.repeat_interleave(channels // groups, 1).reshape(per_channel))

    middle, spread = map(spread_out, moments(grouped, (2,), call))
    return (_normalised(call, x, middle, spread, eps, *map(_along_channels(x), (weight, bias))),)


def batch_norm(
    call: Call,
    x: Computed,
    weight: Computed | None,
    bias: Computed | None,
    running_mean: Computed,
    running_var: Computed,
    _momentum: float,
    eps: float,
) -> tuple[Computed, ...]:
    """Normalise by the statistics of training."""
    channels = map(_along_channels(x), (weight, bias, running_mean, running_var))
    weight, bias, middle, spread = channels
    assert middle is not None
    assert spread is not None
    return (_normalised(call, x, middle, spread, eps, weight, bias),)


def instance_norm(
    call: Call, x: Computed, weight: Computed | None, bias: Computed | None, training: bool, _momentum: float, eps: float
) -> tuple[Computed, ...]:
    """Normalise by the statistics of the batch, which an instance norm makes of every image's channel."""
    assert training
    axes = [0, *range(2, x.value.ndim)]
    return (_normalised(call, x, *moments(x, axes, call), eps, *map(_along_channels(x), (weight, bias))),)


def _along_channels(x: Computed) -> "object":
    def spread(entries: Computed | None) -> Computed | None:
        return entries and entries.mapped(lambda t: t.reshape(-1, *(1 for _ in x.value.shape[2:])))

    return spread


def root_mean_square_norm(
    call: Call, x: Computed, shape: Sequence[int], weight: Computed | None = None, eps: float | None = None
) -> Computed:
    raise NotImplementedError


RULES: dict[str, Rule] = {
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    "_native_batch_norm_legit_no_training": batch_norm,
    "_native_batch_norm_legit": instance_norm,
}
