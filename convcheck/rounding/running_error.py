"""Numbers with a bound of the error of their computation: for attention, whose softmax is no polynomial.

A running error analysis (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, 2002, section 3.3),
entry by entry in float64. Every operation takes values v with errors of at most e, and adds its rounding errors, with
u_acc the unit roundoff of the accumulator, u_out that of the dtype in which results are stored, s the
smallest positive number of that dtype, and lambda = 6:

    storing v         e + u_out * (|v| + e) + s/2
    adding up the     lambda * sqrt(n) * u_acc * size, with size = (|a| + e_a) . (|b| + e_b): N. J. Higham and T. Mary,
    n products a . b  A New Approach to Probabilistic Rounding Error Analysis, 2019, theorem 3.1; and
                      n * u_acc * norm, with norm^2 the sum of their squares, where one outweighs the others; and
                      u_out * size + n * s/2 where every product is stored first; and of what comes in
                      |a| . e_b + e_a . |b| + e_a . e_b, and 2 f * size where factors are rounded to f first (TF32)
    softmax p of z    z_j - max z is rounded, and once more in the exponential: z is open by d = e + 2 u_acc |z - max z|
                      The softmax of z + t with |t| <= d is p exp(t) / (sum over k of p_k exp(t_k)), and so

                          |change of p_j| <= p_j * (exp(d_j) * (sum over k of p_k exp(d_k)) - 1)

                      to which the exponentials above and below the line add h each, and sum and division
                      (lambda * sqrt(n) + 1) * u_acc. No probability is off by more than 1.

A product below the normal range loses s/2 of the accumulator more. Where the platform flushes what is below the normal
range, the smallest normal number takes the place of s/2, of sums as well, and every factor below it may be 0.

Where every entry of b has roundings of its own, they are as good as independent, of deviations of at most sigma_b, and
lambda * sqrt(a^2 . sigma_b^2) will do for |a| . e_b: the same theorem 3.1, whose errors these are.

h is 40 u_acc + u_out: torch's fused kernels for the CPU take an exponential that is good to 20 units in the last place
of float32, and for half precision one that is good to one unit of that. A fused kernel divides by the sum last and so
rounds other numbers than a softmax does, of the same sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.rounding.precision import LAMBDA, Arithmetic

EXPONENTIAL_ULPS = 20

FARTHEST = 300.0
"""A score with a larger error leaves a probability between 0 and 1 unknown; its exponential would overflow here."""


@dataclass(frozen=True)
class Computed:
    """Values, and a bound of the error of their computation, entry by entry: float64 tensors of one shape.

    `sigma` bounds the standard deviations of independent errors; None if they are not independent.
    """

    value: Tensor
    error: Tensor
    sigma: Tensor | None = None

    def size(self) -> Tensor:
        """Return the largest magnitudes that the computed values may have, of their shape."""
        return self.value.abs() + self.error

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Computed:
        """Return the numbers with `change`, which only moves or scales them, applied to all tensors."""
        return Computed(change(self.value), change(self.error), None if self.sigma is None else change(self.sigma))


def exactly(value: Tensor) -> Computed:
    """Return values without error, such as an input."""
    return Computed(value, torch.zeros_like(value), torch.zeros_like(value))


def stored(computed: Computed, unit: Arithmetic) -> Computed:
    """Round to the dtype, entry by entry: `u_out * (|v| + e) + s/2` more."""
    rounding = unit.output * computed.size() + unit.underflow
    sigma = None if computed.sigma is None else torch.hypot(computed.sigma, rounding)
    return Computed(computed.value, computed.error + rounding, sigma)


def dot_products(rows: Computed, others: Computed, unit: Arithmetic, *, stores_products: bool = True) -> Computed:
    """Multiply, sum over n and store: `[..., l, n]` and `[..., s, n]` to `[..., l, s]`, by the formula above."""
    size, terms = rows.size() @ others.size().mT, rows.value.shape[-1]
    sigma = math.sqrt(terms) * unit.accumulator * size
    lost = terms * unit.accumulator * (rows.size().square() @ others.size().square().mT).sqrt()
    error = LAMBDA * sigma + lost + _carried(rows, others) + _carried(others, rows).mT + rows.error @ others.error.mT
    error = error + 2 * unit.factor * size + terms * unit.sum_underflow
    if stores_products:
        error = error + unit.output * size + terms * unit.underflow
    if unit.flushed:
        small = [torch.where(x.size() < unit.flushed, x.size(), 0.0) for x in (rows, others)]
        error = error + small[0] @ others.size().mT + rows.size() @ small[1].mT
    # Entries share the errors of the operands, so they are independent only if these are exact.
    exact = not (stores_products or unit.factor or rows.error.any() or others.error.any())
    return stored(Computed(rows.value @ others.value.mT, error, sigma if exact else None), unit)


def _carried(factors: Computed, unsure: Computed) -> Tensor:
    """Return the error of `factors @ unsure.mT`, `[..., l, s]`, that the errors of `unsure`, `[..., s, n]`, cause."""
    worst = factors.value.abs() @ unsure.error.mT
    if unsure.sigma is None:
        return worst
    return worst.minimum(LAMBDA * (factors.value.square() @ unsure.sigma.square().mT).sqrt())


def linear(tokens: Computed, weight: Tensor, bias: Tensor | None, unit: Arithmetic) -> Computed:
    """Return `tokens @ weight.T + bias`, `[..., n]` to `[..., o]`; torch may store the product, and then the sum.

    `weight` is `[o, n]` and `bias` `[o]`.
    """
    product = dot_products(tokens, exactly(weight), unit, stores_products=False)
    return product if bias is None else stored(Computed(product.value + bias, product.error, product.sigma), unit)


def masked(scores: Computed, mask: Tensor | None, unit: Arithmetic) -> Computed:
    """Add a mask of numbers to the scores, `[..., l, s]`, or set them to -inf where a boolean mask is False."""
    if mask is None:
        return scores
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(scores.value).masked_fill(~mask, -math.inf)
        unknown = scores.error
    else:
        unknown = stored(Computed(scores.value + mask, scores.error), unit).error
    value = scores.value + mask
    # A score of -inf has no error.
    return Computed(value, torch.where(value == -math.inf, 0.0, unknown))


def softmax(scores: Computed, unit: Arithmetic) -> Computed:
    """Return the softmax along the last axis of `[..., l, s]`, by the formula above."""
    # Where every score is -inf, the probabilities are zeros, and have no error.
    blind = (scores.value == -math.inf).all(-1, keepdim=True)
    value, terms = torch.softmax(scores.value, -1).masked_fill(blind, 0.0), scores.value.shape[-1]
    below = (scores.value - scores.value.amax(-1, keepdim=True)).masked_fill(blind, 0.0)
    unknown = scores.error + 2 * unit.accumulator * below.abs()
    unknown = torch.where(below == -math.inf, 0.0, unknown)
    farthest = unknown.amax(-1, keepdim=True)
    unknown = unknown.clamp(max=FARTHEST)
    relative = torch.expm1(unknown + torch.log1p((value * torch.expm1(unknown)).sum(-1, keepdim=True)))
    exponential = EXPONENTIAL_ULPS * 2 * unit.accumulator + unit.output
    rounding = 2 * exponential + (LAMBDA * math.sqrt(terms) + 1) * unit.accumulator
    error = (value * (relative + rounding * (1 + relative))).clamp(max=1)
    return stored(Computed(value, torch.where(farthest < FARTHEST, error, 1.0)), unit)


def attention_weights(query: Computed, key: Computed, scale: float, mask: Tensor | None, unit: Arithmetic) -> Computed:
    """Return `softmax(scale * query . key + mask)`, `[..., l, s]`, for `[..., l, e]` and `[..., s, e]`.

    The factor is shared out to query and key, as torch does where it does not fuse; a computation that applies it to
    one of them rounds less often.
    """
    root = math.sqrt(abs(scale))
    scaled = stored(query.mapped(lambda x: x * root), unit)
    scores = dot_products(scaled, stored(key.mapped(lambda x: x * root), unit), unit)
    # Both roots are rounded, too.
    error = scores.error + 2 * unit.accumulator * scores.size()
    return softmax(masked(Computed(scores.value * math.copysign(1, scale), error), mask, unit), unit)
