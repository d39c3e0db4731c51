"""What is no polynomial: computed on floats, and on polynomials a new variable for every value that has another name.

Congruence is all that is known of such a value: with equal arguments, it is the same variable.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from benchmarks.own_programs.operators import pooled
from benchmarks.own_programs.polynomials import Array, variable

FIRST = 1_000_000
"""The number of the first variable that stands for a value; inputs and parameters have smaller ones."""


def gelu(values: Array, approximate: str) -> Array:
    """Return x times the normal distribution's function there."""
    if approximate == "tanh":
        return np.asarray(0.5 * values * (1 + np.tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values**3))))
    return np.asarray(0.5 * values * (1 + np.vectorize(math.erf, otypes=[float])(values / math.sqrt(2))))


def softmax(values: Array, axis: int) -> Array:
    """Return shares of exponentials."""
    powers = np.exp(values - values.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def layer_norm(values: Array, eps: float) -> Array:
    """Subtract the mean of the last axis, and divide by the root of its variance and `eps`."""
    centred = values - values.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps))


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "relu": lambda a: np.maximum(a, 0),
    "gelu": gelu,
    "softmax": softmax,
    "layer_norm": layer_norm,
    "max_pool": lambda a, size: pooled(a, size).max(-1),
}


class Names:
    """Variables that stand for values of functions."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def apply(self, function: str, values: Array, options: tuple[Any, ...]) -> Array:
        """Return variables for a function's values: by entry, by entry and its row, or by windows."""
        if function in ("relu", "gelu"):
            return self._by(values, lambda entry: (function, options, entry))
        if function == "max_pool":
            windows = pooled(values, *options)
            rows = [frozenset(row) for row in windows.reshape(-1, windows.shape[-1])]
            return self._named([(function, row) for row in rows]).reshape(windows.shape[:-1])
        axis = options[0] if function == "softmax" else -1
        others = () if function == "softmax" else options
        last = np.moveaxis(values, axis, -1)
        # Both are the same for all orders of a row.
        keyed = [(frozenset(Counter(row).items()), row) for row in last.reshape(-1, last.shape[-1])]
        names = self._named([(function, others, key, entry) for key, row in keyed for entry in row])
        return np.moveaxis(names.reshape(last.shape), -1, axis)

    def _by(self, values: Array, key: Callable[[Any], Hashable]) -> Array:
        return self._named([key(entry) for entry in values.flat]).reshape(values.shape)

    def _named(self, keys: list[Hashable]) -> Array:
        result = np.empty(len(keys), dtype=object)
        result[:] = [variable(self._numbers.setdefault(key, FIRST + len(self._numbers))) for key in keys]
        return result
