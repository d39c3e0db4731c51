"""Norms: entries less their mean, over the root of their variance. All of them are the same polynomial of few sources.

What training makes of running statistics is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from convcheck.all_sizes.conditions import check_not_zero
from convcheck.all_sizes.layout import aligned, viewed
from convcheck.all_sizes.new_values import constant
from convcheck.all_sizes.operators import reciprocal_of, root
from convcheck.all_sizes.readers.arithmetic import number
from convcheck.all_sizes.readers.roots import square
from convcheck.all_sizes.reading import Call, Reader
from convcheck.all_sizes.sizes import CannotProve
from convcheck.all_sizes.sources import Sources
from convcheck.all_sizes.value import Value


def mean_of(value: Value, axes: Sequence[int]) -> Value:
    """Return the mean along axes, which have the length 1 then."""
    count = sympy.prod([value.size(axis) for axis in axes])
    check_not_zero(value.sizes, count)
    for axis in axes:
        value = value.summed(axis).with_one(axis)
    return value.times(sympy.Integer(1) / count)


def centred(value: Value, axes: Sequence[int]) -> tuple[Value, Value]:
    """Return a tensor less its mean along axes, and the mean."""
    mean = mean_of(value, axes)
    value, wide = aligned(value, mean)
    return value.plus(wide.times(-1)), mean


def over_root(sources: Sources, variance: Value, eps: Any) -> Value:
    """Return `1 / sqrt(variance + eps)`."""
    return reciprocal_of(sources, root(sources, variance.plus(constant(variance.sizes, variance.axes, eps))))


def normalised(sources: Sources, value: Value, axes: Sequence[int], eps: Any) -> tuple[Value, Value, Value]:
    """Return entries less the mean along axes, over the root of the variance; the mean; and one over the root."""
    less, mean = centred(value, axes)
    over = over_root(sources, mean_of(square(sources, less), axes), eps)
    return sources.product(less, over), mean, over


def affine(value: Value, weight: Value | None, bias: Value | None) -> Value:
    """Return `value * weight + bias`, where there are these, broadcast."""
    if weight is not None:
        one, other = aligned(value, weight)
        value = one.product(other)
    if bias is not None:
        one, other = aligned(value, bias)
        value = one.plus(other)
    return value


def per_channel(value: Value | None, rank: int) -> Value | None:
    """Return `[c]` as `[c, 1, ...]`, of one axis less than `rank`."""
    if value is None:
        return None
    while value.rank < rank - 1:
        value = value.with_one(value.rank)
    return value


def layer_norm(call: Call) -> tuple[Value, Value, Value]:
    """Over the last axes."""
    value: Value = call["input"]
    axes = list(range(value.rank - len(call["normalized_shape"]), value.rank))
    result, mean, over = normalised(call.sources, value, axes, number(call, call["eps"]))
    return affine(result, call["weight"], call["bias"]), mean, over


def group_norm(call: Call) -> tuple[Value, Value, Value]:
    """Over the channels of a group and all positions."""
    value: Value = call["input"]
    groups = call.size("group")
    each = value.sizes.ratio(value.size(1), groups)
    if each is None:
        raise CannotProve(f"{value.size(1)} channels in {groups} groups")
    parts = viewed(value, [value.size(0), groups, each, *value.shape[2:]])
    result, mean, over = normalised(call.sources, parts, list(range(2, parts.rank)), number(call, call["eps"]))
    for axis in reversed(range(2, parts.rank)):
        mean, over = mean.without_one(axis), over.without_one(axis)
    result = viewed(result, value.shape)
    return affine(result, *(per_channel(call[name], value.rank) for name in ("weight", "bias"))), mean, over


def batch_norm(call: Call) -> tuple[Value | None, ...]:
    """Over all axes but the channels; with the running statistics where it does not train."""
    value: Value = call["input"]
    eps, training = number(call, call["eps"]), call["training"]
    weight, bias, mean, variance = (
        per_channel(call[name], value.rank) for name in ("weight", "bias", "running_mean", "running_var")
    )
    if training or (training is None and mean is None):
        axes = [axis for axis in range(value.rank) if axis != 1]
        result, _, _ = normalised(call.sources, value, axes, eps)
    else:
        if mean is None or variance is None:
            raise CannotProve("without statistics")
        one, other = aligned(value, mean.times(-1))
        result = call.sources.product(one.plus(other), over_root(call.sources, variance, eps))
    others = len(call.node.meta["val"]) - 1
    return (affine(result, weight, bias), *(None for _ in range(others)))


def var(call: Call) -> Value:
    """The variance along axes."""
    return _variance(call)[0]


def var_mean(call: Call) -> tuple[Value, Value]:
    """The variance along axes, and the mean."""
    return _variance(call)


def std(call: Call) -> Value:
    """The root of the variance along axes."""
    return root(call.sources, _variance(call)[0])


def _variance(call: Call) -> tuple[Value, Value]:
    value: Value = call["self"]
    asked = call["dim"]
    chosen = range(value.rank) if asked is None else [asked] if isinstance(asked, int) else asked
    axes = sorted(axis % value.rank for axis in chosen)
    correction = call["correction"]
    correction = number(call, 1 if correction is None else correction)
    if correction not in (0, 1):
        # Of fewer entries than that torch divides by 0.
        raise CannotProve(f"with a correction of {correction}")
    count = sympy.prod([value.size(axis) for axis in axes])
    less, mean = centred(value, axes)
    variance = mean_of(square(call.sources, less), axes).times(count / (count - correction))
    for axis in () if call["keepdim"] else reversed(axes):
        variance, mean = variance.without_one(axis), mean.without_one(axis)
    return variance, mean


READERS: Mapping[str, Reader] = {
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    **dict.fromkeys(
        (
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "_native_batch_norm_legit_functional",
        ),
        batch_norm,
    ),
    "var.correction": var,
    "var_mean.correction": var_mean,
    "std.correction": std,
}
