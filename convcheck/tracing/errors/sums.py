"""Sums of n products, such as convolutions and matrix products, and sums of n numbers.

With size the sum of (|a| + e_a)(|b| + e_b), and norm the root of the sum of their squares, a sum in the accumulator is
off by lambda * sqrt(n) * u_acc * size + n * u_acc * norm (N. J. Higham and T. Mary, A New Approach to Probabilistic
Rounding Error Analysis, 2019, theorem 3.1; see `convcheck.rounding.running_error`), and never by more than
n * u_acc * size, N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2002, (3.5). A bias is one more product.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from convcheck.rounding.precision import LAMBDA, Arithmetic
from convcheck.rounding.running_error import Computed, stored

Bilinear = Callable[[Tensor, Tensor], Tensor]


def summation(size: Tensor, squares: Tensor, terms: int, unit: Arithmetic) -> Tensor:
    """Return what adding up `terms` numbers loses, with `size` the sum of their magnitudes and `squares` of squares."""
    likely = LAMBDA * math.sqrt(terms) * size + terms * squares.sqrt()
    # One more for the product itself, and one for the first addition.
    return unit.accumulator * torch.minimum(likely, (terms + 1) * size)


def contracted(
    multiply: Bilinear, a: Computed, b: Computed, bias: Computed | None, terms: int, unit: Arithmetic, overlaps: int = 0
) -> Computed:
    """Return `multiply(a, b) + bias`, a sum of `terms` products; the bias is as long as its entries are apart.

    The product may be stored before the bias is added. `overlaps` is how many partial sums are stored in the dtype,
    where windows overlap and are added up one by one.
    """
    value = multiply(a.value, b.value)
    sizes = a.size(), b.size()
    size = multiply(*sizes)
    error = torch.zeros_like(size)
    if bool(b.error.any()):
        error = error + multiply(sizes[0], b.error)
    if bool(a.error.any()):
        error = error + multiply(a.error, b.value.abs())
    squares = multiply(sizes[0].square(), sizes[1].square())
    error = error + 2 * unit.factor * size + (terms + 1) * unit.sum_underflow
    error = error + overlaps * (unit.output * size + unit.underflow)
    if bias is None:
        return stored(Computed(value, error + summation(size, squares, terms, unit)), unit)
    lost = summation(size + bias.size(), squares + bias.size().square(), terms + 1, unit)
    inner = stored(Computed(value, error + lost), unit)
    return stored(Computed(value + bias.value, inner.error + bias.error), unit)


def summed(
    add: Callable[[Tensor], Tensor], x: Computed, terms: int, unit: Arithmetic, weight: Tensor | float = 1.0
) -> Computed:
    """Return the sum of up to `terms` numbers by `add`, before it is stored.

    `add` is linear, with weights between 0 and `weight`, such as a mean's.
    """
    size, squares = add(x.size()), weight * add(x.size().square())
    lost = summation(size, squares.minimum(size.square()), terms, unit)
    return Computed(add(x.value), add(x.error) + lost + terms * unit.sum_underflow)
