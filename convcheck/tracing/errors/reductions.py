"""Sums, means and variances along axes, and windows whose entries are added up; see `sums` for the formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from convcheck.rounding.running_error import Computed, stored
from convcheck.tracing.errors.call import Call, Rule, axes_of, length
from convcheck.tracing.errors.functions import square_root
from convcheck.tracing.errors.sums import summed

Axes = int | Sequence[int] | None


def total(call: Call, x: Computed, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> Computed:
    axes = axes_of(dim, x.value.ndim)
    return stored(summed(lambda t: t.sum(axes, keepdim), x, length(x.value, axes), call.unit), call.unit)


def mean(call: Call, x: Computed, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> Computed:
    """Add up, store and divide, as the CPU does."""
    axes = axes_of(dim, x.value.ndim)
    whole = total(call, x, dim, keepdim)
    count = length(x.value, axes)
    # The number by which is divided is whole, and rounded where the dtype does not hold it.
    value = whole.value / count
    return call.rounded(value, (whole.error + 2 * call.unit.accumulator * whole.size()) / count)


def running_total(call: Call, x: Computed, dim: int, *, dtype: Any = None) -> Computed:
    return stored(summed(lambda t: t.cumsum(dim), x, length(x.value, axes_of(dim, x.value.ndim)), call.unit), call.unit)


def moments(x: Computed, axes: Sequence[int], call: Call) -> tuple[Computed, Computed]:
    """Return mean and (uncorrected) variance, both of x's rank and in the accumulator.

    With d = v - mean v, the variance of numbers with errors is open by 2 mean(|d| e) + mean(e^2). A kernel may take it
    as the mean of squares less the square of the mean, and loses then what these two are rounded by.
    """
    exact = torch.zeros_like(x.error)
    middle, center = (_mean(Computed(v, e), axes, call) for v, e in ((x.value, x.error), (x.size(), exact)))
    squares = _mean(Computed(x.size().square(), exact), axes, call)
    rounding = squares.error + center.error * (2 * center.value + center.error)
    rounding = rounding + 4 * call.unit.accumulator * squares.value + call.unit.sum_underflow
    apart = x.value - middle.value
    unsure = (2 * apart.abs() * x.error + x.error.square()).mean(tuple(axes), keepdim=True)
    return middle, Computed(apart.square().mean(tuple(axes), keepdim=True), unsure + rounding)


def _mean(x: Computed, axes: Sequence[int], call: Call) -> Computed:
    count = length(x.value, axes)
    whole = summed(lambda t: t.sum(tuple(axes), keepdim=True), x, count, call.unit)
    return Computed(whole.value / count, (whole.error + 2 * call.unit.accumulator * whole.size()) / count)


def variance(
    call: Call,
    x: Computed,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Computed:
    return variance_and_mean(call, x, dim, unbiased, keepdim, correction=correction)[0]


def variance_and_mean(
    call: Call,
    x: Computed,
    dim: Axes = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Computed, Computed]:
    axes = axes_of(dim, x.value.ndim)
    count = length(x.value, axes)
    less = (1 if unbiased else 0) if correction is None else correction
    middle, spread = moments(x, axes, call)
    # Of too few numbers torch divides by 0.
    scaled = spread.mapped(lambda t: t * (count / (count - less) if count > less else math.nan))
    kept = (lambda t: t) if keepdim else (lambda t: t.squeeze(tuple(axes)))
    return stored(scaled.mapped(kept), call.unit), stored(middle.mapped(kept), call.unit)


def deviation(call: Call, x: Computed, *arguments: Any, **keywords: Any) -> Computed:
    return square_root(call, variance(call, x, *arguments, **keywords))


def norm(call: Call, x: Computed, ord: float = 2, dim: Axes = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The root of the sum of squares, which an error of norm t changes by no more than t; or a sum of magnitudes."""
    axes = axes_of(dim, x.value.ndim)
    magnitudes = Computed(x.value.abs(), x.error)
    if ord == 1:
        return total(call, magnitudes, dim, keepdim)
    if ord == math.inf:
        return Computed(magnitudes.value.amax(axes, keepdim), x.error.amax(axes, keepdim))
    if ord != 2:
        raise NotImplementedError
    length_of = torch.linalg.vector_norm
    value, error = (length_of(t, 2, axes, keepdim) for t in (x.value, x.error))
    # Half of the relative error of a sum of squares, its products among them, and that of the root.
    relative = (summed(lambda t: t.sum(axes, keepdim), _ones(x), length(x.value, axes), call.unit)).error
    rounding = relative / length(x.value, axes) + 2 * call.unit.accumulator
    lost = math.sqrt(length(x.value, axes) * call.unit.sum_underflow)
    return call.rounded(value, error + rounding * (value + error) + lost)


def _ones(x: Computed) -> Computed:
    return Computed(torch.ones_like(x.value), torch.zeros_like(x.value))


def averaged(call: Call, x: Computed, kernel: Sequence[int], *settings: Any) -> Computed:
    """Average windows of some number of entries each."""
    weight = 1 / math.prod(kernel)
    if len(settings) > 4 and settings[4]:
        weight = 1 / settings[4]
    elif len(settings) > 3 and not settings[3]:
        weight = 1.0
    pooled = summed(lambda t: call.operator(t, kernel, *settings), x, math.prod(kernel), call.unit, weight)
    return call.rounded(pooled.value, pooled.error + 2 * call.unit.accumulator * pooled.size())


def averaged_to(call: Call, x: Computed, size: Sequence[int]) -> Computed:
    """Average windows, no longer than needed to cover all with `size` of them: at most two entries longer."""
    space = x.value.shape[-len(size) :]
    longest = math.prod(n // m + 2 for n, m in zip(space, size, strict=True))
    shortest = math.prod(-(-n // m) for n, m in zip(space, size, strict=True))
    pooled = summed(lambda t: call.operator(t, size), x, longest, call.unit, 1 / shortest)
    return call.rounded(pooled.value, pooled.error + 2 * call.unit.accumulator * pooled.size())


def folded(call: Call, x: Computed, size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Computed:
    """Add overlapping windows up; every partial sum may be stored."""

    def fold(t: Tensor) -> Tensor:
        return functional.fold(t, size, kernel, dilation, padding, stride)

    times = fold(torch.ones_like(x.value))
    rounding = times * (call.unit.output * fold(x.size()) + call.unit.underflow)
    return Computed(fold(x.value), fold(x.error) + rounding)


RULES: dict[str, Rule] = {
    "sum": total,
    "mean": mean,
    "cumsum": running_total,
    "var": variance,
    "var_mean": variance_and_mean,
    "std": deviation,
    "linalg_vector_norm": norm,
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), averaged),
    **dict.fromkeys(("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d"), averaged_to),
    "col2im": folded,
}
