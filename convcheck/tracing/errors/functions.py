"""Smooth functions of one number, entry by entry.

The error that comes in grows by the steepest slope between v - e and v + e, which is at an end, or at a place where the
second derivative is 0 (`turns`). Functions are computed in the accumulator and stored once. Their own error is `ULPS`
units in the last place of the accumulator, of the result or of what cancels in it: gelu(x) is x/2 times 1 + erf, which
may be almost 0, so that it is of x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convcheck.rounding.running_error import Computed
from convcheck.tracing.errors.arithmetic import multiplied
from convcheck.tracing.errors.call import Call, Rule, constant, operand

ULPS = 4.0
"""torch's vector functions (SLEEF's, to 1 unit; CUDA's, to 2) and one or two operations around them."""


def _of(call: Call, value: Tensor, grown: Tensor, size: Tensor | None = None, lost: Tensor | float = 0.0) -> Computed:
    """Store a value with a grown error, and with `ULPS` units of `size`, of the largest value unless given."""
    size = value.abs() + grown if size is None else size
    rounding = ULPS * 2 * call.unit.accumulator * size + call.unit.sum_underflow + lost
    return call.rounded(value, torch.where(value.isinf() | value.isnan(), grown.nan_to_num(0.0), grown + rounding))


def steepest(slope: Callable[[Tensor], Tensor], turns: tuple[float, ...], x: Computed) -> Tensor:
    """Return the largest magnitude of the slope between v - e and v + e."""
    low, high = x.value - x.error, x.value + x.error
    largest = torch.maximum(slope(low).abs(), slope(high).abs())
    for turn in turns:
        peak = float(slope(torch.tensor(turn, dtype=torch.float64)).abs())
        largest = torch.where((low <= turn) & (turn <= high), largest.clamp(min=peak), largest)
    return largest


def _normal_density(x: Tensor) -> Tensor:
    return torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)


def _gelu_slope(x: Tensor) -> Tensor:
    slope: Tensor = torch.special.ndtr(x) + x * _normal_density(x)
    return slope


_A, _B = math.sqrt(2 / math.pi), 0.044715


def _tanh_gelu_slope(x: Tensor) -> Tensor:
    hyperbolic = torch.tanh(_A * (x + _B * x**3))
    return (1 + hyperbolic) / 2 + x / 2 * (1 - hyperbolic.square()) * _A * (1 + 3 * _B * x.square())


def _silu_slope(x: Tensor) -> Tensor:
    sigmoid = torch.sigmoid(x)
    return sigmoid * (1 + x * (1 - sigmoid))


GELU_TURNS = (-math.sqrt(2), math.sqrt(2))
TANH_GELU_TURNS = (-1.4190225524, 1.4190225524)
SILU_TURNS = (-2.3993572805, 2.3993572805)


def gelu(call: Call, x: Computed, *, approximate: str = "none") -> Computed:
    """Both: `x / 2 * (1 + f(x))`, where f is close to -1 for a negative x, and is rounded there."""
    exact = approximate == "none"
    slope, turns = (_gelu_slope, GELU_TURNS) if exact else (_tanh_gelu_slope, TANH_GELU_TURNS)
    value = torch.nn.functional.gelu(x.value, approximate=approximate)
    return _of(call, value, steepest(slope, turns, x) * x.error, x.size())


def silu(call: Call, x: Computed) -> Computed:
    """`x / (1 + exp(-x))`, which is lost where the exponential overflows."""
    lost = 4 * x.size() * call.unit.sum_underflow + _overflown(call, x.value)
    return _of(call, torch.nn.functional.silu(x.value), steepest(_silu_slope, SILU_TURNS, x) * x.error, None, lost)


def sigmoid(call: Call, x: Computed) -> Computed:
    value = torch.sigmoid(x.value)
    grown = steepest(lambda t: torch.sigmoid(t) * torch.sigmoid(-t), (0.0,), x) * x.error
    return _of(call, value, grown, None, _overflown(call, torch.ones_like(x.value)))


def _overflown(call: Call, size: Tensor) -> Tensor:
    """Return what is lost of `size / (1 + exp(-x))` where the exponential is beyond the accumulator's range."""
    return 2 * size.abs() * call.unit.normal_sum


def tanh(call: Call, x: Computed) -> Computed:
    value = torch.tanh(x.value)
    return _of(call, value, steepest(lambda t: 1 - torch.tanh(t).square(), (0.0,), x) * x.error)


def error_function(call: Call, x: Computed) -> Computed:
    """Its own error is of 1: for float32 the CPU takes a formula that is off by 1.5e-7 anywhere (A&S 7.1.26)."""
    value = torch.erf(x.value)
    grown = steepest(lambda t: torch.exp(-t.square()) * 2 / math.sqrt(math.pi), (0.0,), x) * x.error
    return _of(call, value, grown, torch.ones_like(value))


def exponential(call: Call, x: Computed) -> Computed:
    value = torch.exp(x.value)
    return _of(call, value, _product(value, torch.expm1(x.error)), None, 2 * call.unit.normal_sum)


def exponential_less_one(call: Call, x: Computed) -> Computed:
    return _of(call, torch.expm1(x.value), _product(torch.exp(x.value), torch.expm1(x.error)))


def _product(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b == 0, 0.0, a * b)


def logarithm(call: Call, x: Computed) -> Computed:
    return _of(call, torch.log(x.value), -torch.log1p(-(x.error / x.value).clamp(max=1)))


def logarithm_of_one_more(call: Call, x: Computed) -> Computed:
    return _of(call, torch.log1p(x.value), -torch.log1p(-(x.error / (1 + x.value)).clamp(max=1)))


def square_root(call: Call, x: Computed) -> Computed:
    """`e / (sqrt(v - e) + sqrt(v))`."""
    value = x.value.sqrt()
    grown = x.error / (value + (x.value - x.error).clamp(min=0).sqrt())
    return _of(call, value, torch.where(x.error == 0, 0.0, torch.where(x.value > 0, grown, x.error.sqrt())))


def inverse_root(call: Call, x: Computed) -> Computed:
    """`e / (sqrt(v - e) + sqrt(v)) / sqrt(v - e) / sqrt(v)`; the CPU may store the root before it divides by it."""
    root, least = x.value.sqrt(), (x.value - x.error).clamp(min=0).sqrt()
    grown = torch.where(x.error == 0, 0.0, x.error / (root + least) / (root * least))
    return _of(call, 1 / root, grown, None, call.unit.output * (1 / root + grown))


def power(call: Call, x: Any, exponent: Any) -> Any:
    p = operand(exponent, call.unit)
    if not p.value.ndim and not p.error.any():
        # The CPU takes the nearest exponent that the dtype holds, of a number in a tensor, too.
        p = constant(p.value, call.unit)
    if isinstance(x, Computed) and not p.value.ndim and not p.error.any():
        return fixed_power(call, x, float(p.value))
    return power_that_varies(call, operand(x, call.unit), p)


def fixed_power(call: Call, x: Computed, exponent: float) -> Any:
    """Whole powers from 0 on: `p (|v| + e)^(p - 1) e`; others by their slope, of positive numbers."""
    if exponent == 2:
        return multiplied(call, x, x)
    known = {1: lambda: x, 0.5: lambda: square_root(call, x), -0.5: lambda: inverse_root(call, x)}
    if exponent in known:
        return known[exponent]()
    value, size = x.value**exponent, x.size()
    if exponent < 1 or exponent != int(exponent):
        size = x.value - x.error if exponent < 1 else size
        # Of a number that may be 0, or below, nothing is known.
        grown = torch.where(x.value > x.error, abs(exponent) * size.clamp(min=0) ** (exponent - 1) * x.error, math.inf)
        grown = torch.where(x.error == 0, 0.0, grown)
    else:
        grown = exponent * size ** (exponent - 1) * x.error
    result = _of(call, value, grown)
    # exp(p log x), of which the argument is rounded; or products, all of which the CPU stores.
    logarithm = (x.value.abs().log().abs() * abs(exponent)).nan_to_num(0.0, 0.0)
    more = 2 * call.unit.accumulator * (abs(exponent) + logarithm)
    if exponent in (-2, 3):
        more = more + 2 * call.unit.output
    return Computed(result.value, result.error + more * result.size() + 2 * call.unit.underflow * x.size().clamp(min=1))


def power_that_varies(call: Call, x: Computed, exponent: Computed) -> Computed:
    """`v^p (exp(|log v| e_p + (|p| + e_p) log(v / (v - e))) - 1)` of positive numbers; of others nothing is known.

    It is computed as exp(p log v), of which the argument is rounded.
    """
    value, logarithm = torch.pow(x.value, exponent.value), x.value.log().abs()
    shift = _product(logarithm, exponent.error) - exponent.size() * torch.log1p(-(x.error / x.value).clamp(max=1))
    shift = shift + 2 * call.unit.accumulator * _product(logarithm, exponent.value.abs())
    grown = torch.where(x.value > x.error, _product(value, torch.expm1(shift)), math.inf)
    grown = torch.where((x.size() == 0) & (exponent.value > exponent.error), 0.0, grown)
    return _of(call, value, grown, None, 2 * call.unit.normal_sum)


def wave(function: Callable[[Tensor], Tensor]) -> Rule:
    """Sine or cosine: slopes of up to 1."""
    return lambda call, x: _of(call, function(x.value), x.error.clamp(max=2))


def elu(call: Call, x: Computed, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Computed:
    """`scale * alpha * (exp(x) - 1)` below 0, where 1 is rounded."""
    if input_scale != 1:
        raise NotImplementedError
    value = torch.nn.functional.elu(x.value, alpha) * scale
    slope = abs(scale) * torch.maximum(torch.ones_like(value), abs(alpha) * torch.exp((x.value + x.error).clamp(max=0)))
    size = abs(scale) * torch.where(x.value - x.error > 0, x.size(), abs(alpha) + x.size().clamp(max=1))
    return _of(call, value, slope * x.error, size)


RULES: dict[str, Rule] = {
    "gelu": gelu,
    "silu": silu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "erf": error_function,
    "exp": exponential,
    "exp2": lambda call, x: power(call, 2.0, x),
    "expm1": exponential_less_one,
    "log": logarithm,
    "log1p": logarithm_of_one_more,
    "sqrt": square_root,
    "rsqrt": inverse_root,
    "pow": power,
    "square": lambda call, x: fixed_power(call, x, 2),
    "sin": wave(torch.sin),
    "cos": wave(torch.cos),
    "elu": elu,
}
