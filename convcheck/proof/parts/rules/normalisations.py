"""Normalisations: a mean is taken off, and what is left divided by a root of a variance and eps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from convcheck.proof.parts.fields import UNKNOWN, Field, Numbers, Unproven, lifted


def _normalised(field: Field, x: Numbers, dims: Sequence[int], eps: float) -> Numbers:
    away = field.subtract(x, field.mean(x, dims, keep=True))
    variance = field.mean(field.multiply(away, away), dims, keep=True)
    return field.over_root(away, field.add(variance, field.lift(eps)))


def _affine(field: Field, x: Numbers, weight: Any, bias: Any, shape: Sequence[int]) -> Numbers:
    for operation, value in ((field.multiply, weight), (field.add, bias)):
        if value is not None:
            x = operation(x, field.linear(lambda one: one.reshape(shape), lifted(field, value)))
    return x


def _layer(field: Field, given: Any) -> Any:
    field.cut("layer norm")
    x, shape = lifted(field, given["input"]), list(given["normalized_shape"])
    normal = _normalised(field, x, range(-len(shape), 0), given["eps"])
    return _affine(field, normal, given.get("weight"), given.get("bias"), shape)


def _rms(field: Field, given: Any) -> Any:
    field.cut("rms norm")
    x, shape = lifted(field, given["input"]), list(given["normalized_shape"])
    eps = given.get("eps")
    # As torch does it in float64, in which graphs are traced.
    eps = torch.finfo(torch.float64).eps if eps is None else eps
    squares = field.mean(field.multiply(x, x), range(-len(shape), 0), keep=True)
    normal = field.over_root(x, field.add(squares, field.lift(eps)))
    return _affine(field, normal, given.get("weight"), None, shape)


def _group(field: Field, given: Any) -> Any:
    field.cut("group norm")
    x, groups = lifted(field, given["input"]), given["num_groups"]
    apart = field.linear(lambda one: one.reshape(one.shape[0], groups, -1), x)
    normal = field.linear(lambda one: one.reshape(x.shape), _normalised(field, apart, [-1], given["eps"]))
    return _affine(field, normal, given.get("weight"), given.get("bias"), [-1, *[1] * (len(x.shape) - 2)])


def _instance(field: Field, given: Any) -> Any:
    if not given["use_input_stats"]:
        raise Unproven("an instance norm has running statistics")
    field.cut("instance norm")
    x = lifted(field, given["input"])
    normal = _normalised(field, x, range(2, len(x.shape)), given["eps"])
    return _affine(field, normal, given.get("weight"), given.get("bias"), [-1, *[1] * (len(x.shape) - 2)])


def _batch(field: Field, given: Any) -> Any:
    """Normalise by running statistics, or by those of the batch."""
    x = lifted(field, given["input"])
    shape = [-1, *[1] * (len(x.shape) - 2)]
    field.cut("batch norm")
    if given.get("training"):
        normal = _normalised(field, x, [0, *range(2, len(x.shape))], given["eps"])
        return _affine(field, normal, given.get("weight"), given.get("bias"), shape)
    mean, variance = (
        field.linear(lambda one: one.reshape(shape), lifted(field, given[name]))
        for name in ("running_mean", "running_var")
    )
    normal = field.over_root(field.subtract(x, mean), field.add(variance, field.lift(given["eps"])))
    return _affine(field, normal, given.get("weight"), given.get("bias"), shape)


RULES = {
    "layer_norm": _layer,
    "native_layer_norm": lambda field, given: (_layer(field, given), UNKNOWN, UNKNOWN),
    "rms_norm": _rms,
    "group_norm": _group,
    "instance_norm": _instance,
    "batch_norm": _batch,
    "_native_batch_norm_legit": lambda field, given: (_batch(field, given), UNKNOWN, UNKNOWN),
    "_native_batch_norm_legit_no_training": lambda field, given: (_batch(field, given), UNKNOWN, UNKNOWN),
}
