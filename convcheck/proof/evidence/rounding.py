"""Bounds and measures the distance of two correct computations in a floating-point dtype.

Entry by entry, with K products in a sum, `mag = |W| * |x| + |b|`, u_acc the unit roundoff of the accumulator and u_out
that of the output's dtype, each side is off by no more than this, and `floating_point.measure` adds the two up:

    |error| <= c * (max(lambda * sqrt(K), min(K, lambda * sqrt(F2))) * u_acc * mag + K * u_acc * norm)
               + what the side's roundings to the dtype add

The first term is N. J. Higham and T. Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019, theorem 3.1,
with lambda = 6; F2 is K, or more where products repeat one another, see `repetition`. It is never less than
lambda * sqrt(K), and where products repeat it is no more than K, the bound that assumes nothing. In a chain of c sums,
of K1, K2, ... products, the error of each reaches the output through the magnitudes of the others, and none is longer
than K = K1 * K2 * ...: hence the factor c.

The theorem takes errors to be independent on average. They are not where one product, or the bias, outweighs the others
so far that these are lost when they are added to it, all in one direction: then up to K additions lose u_acc times that
one each. It is no larger than norm = sqrt(|W|^2 * |x|^2 + |b|^2); of products of one size that is sqrt(K) times less
than mag, so that the second term hardly matters there.

A rounding of a value v to the dtype adds u_out * |v|, or half the smallest positive number s where v is below the
normal range. So a side adds

    u_out * |y|                  where one accumulation does it all,
    u_out * (|y - b| + |y|)      where the product is stored, and the bias added to it,
    u_out * R * mag              where R partial sums are stored, since mag bounds every one of them,

where y is the output in float64, or the side's own in place of |y| if that is larger. It adds s/2 for every rounding,
for every product that is stored, and for what is lost on the way; and s/2 of the accumulator for every product in it,
see `underflow`. Where factors are rounded before they are multiplied (TF32), to f = `unit.factor` > u_acc, each product
of d = c + 1 factors is off by d * f of itself, and the side by as much of mag.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from convcheck.layers import Roundings
from convcheck.proof.evidence.slices import Slice
from convcheck.results import Deviation, Sides, Worst
from convcheck.rounding.precision import LAMBDA, Arithmetic
from convcheck.sizes.patterns import Shape
from convcheck.sizes.places import unravelled


@dataclass(frozen=True)
class Truth:
    """The reference in float64, with the `mag` and `norm` of the bound above; all tensors are of the output's shape.

    Of many outputs `mag` and `norm` are held in float32; those of a slice are float64.
    """

    output: Tensor
    bias: Tensor
    """The output for inputs of zeros."""
    magnitude: Tensor
    """`|W| * |x| + |b|`: the sum of the magnitudes of the products."""
    norm: Tensor
    """`sqrt(|W|^2 * |x|^2 + |b|^2)`: the root of the sum of their squares."""

    def of(self, piece: Slice) -> Truth:
        """Return it in a slice of the output, in float64."""
        return Truth(
            output=piece.of(self.output),
            bias=piece.of(self.bias),
            magnitude=piece.of(self.magnitude).double(),
            norm=piece.of(self.norm).double(),
        )


def bound(
    unit: Arithmetic,
    terms: int,
    sums: int,
    truth: Truth,
    outputs: Sides[Tensor],
    roundings: Sides[Roundings],
    lost: Sides[Tensor | float],
    moment: float,
) -> Sides[Tensor]:
    """Return the bound above for each side, entry by entry. All tensors are float64 and of the outputs' shape.

    `terms` is K, the most products in one output; `sums` is c, the number of chained sums; `moment` is F2. `lost` is
    how many times s/2, half of the smallest positive number, is lost before the output, see `underflow`; where the
    platform flushes, the smallest normal number takes the place of s/2.
    """
    additions = max(LAMBDA * math.sqrt(terms), min(terms, LAMBDA * math.sqrt(moment)))
    relative = sums * additions * unit.accumulator + (sums + 1) * unit.factor
    # In place, since there are many outputs.
    accumulated = (relative * truth.magnitude).add_(truth.norm, alpha=sums * terms * unit.accumulator)

    def side(output: Tensor, rounded: Roundings, lost_here: Tensor | float) -> Tensor:
        count = rounded.sums + int(rounded.bias_apart)
        if rounded.sums > 1:
            limit = (unit.output * count * truth.magnitude).add_(accumulated)
        else:
            limit = torch.maximum(output.abs(), truth.output.abs()).mul_(unit.output * rounded.sums).add_(accumulated)
            if rounded.bias_apart:
                limit.add_((truth.output - truth.bias).abs_(), alpha=unit.output)
        stored = (count + terms * rounded.products_apart + lost_here) * unit.underflow
        return limit + (stored + sums * terms * unit.sum_underflow)

    return Sides(
        side(outputs.reference, roundings.reference, lost.reference),
        side(outputs.candidate, roundings.candidate, lost.candidate),
    )


def deviation(outputs: Sides[Tensor], limit: Tensor, unit: Arithmetic, error: Tensor | None = None) -> Deviation:
    """Measure the distance of the outputs against `limit`, entry by entry. All tensors are float64, of one shape.

    `error` is that distance, where it is known.
    """
    reference, candidate = outputs.reference, outputs.candidate
    error = distance(outputs) if error is None else error
    # NaN first: argmax takes it for the largest, which is where a reader should look.
    largest = unravelled(int(error.argmax()), error.shape)
    value = float(reference[largest])
    ratio = _quotients(error, limit)
    worst = unravelled(int(ratio.argmax()), ratio.shape)
    relative = _quotients(error, reference.abs())
    return Deviation(
        max_abs=finite(error[largest]),
        at=largest,
        max_rel=finite(relative.max()),
        bound=finite(limit[largest]),
        ratio=finite(ratio[worst]),
        ulp=finite(error[largest] / spacing(value, unit)) if math.isfinite(value) else None,
        worst=Worst(worst, Sides(finite(reference[worst]), finite(candidate[worst])), finite(limit[worst])),
    )


def distance(outputs: Sides[Tensor]) -> Tensor:
    """Return how far both outputs are apart, entry by entry; it is finite where both of them are."""
    return (outputs.reference - outputs.candidate).abs_()


def _quotients(error: Tensor, size: Tensor) -> Tensor:
    """Return error / size, entry by entry, and 0 where there is no error."""
    if bool(size.min() > 0):
        return error / size
    return torch.where(error == 0, 0.0, error / size)


def joined(deviations: Sequence[Deviation]) -> Deviation:
    """Return the deviation of the whole from those of its parts."""
    # What is infinite or NaN is None, and the largest.
    largest = max(deviations, key=lambda one: _size(one.max_abs))
    worst = max(deviations, key=lambda one: _size(one.ratio))
    relative = max(deviations, key=lambda one: _size(one.max_rel))
    return replace(largest, max_rel=relative.max_rel, ratio=worst.ratio, worst=worst.worst)


def moved(deviation: Deviation, start: Shape) -> Deviation:
    """Return a deviation of a part whose first entry is at `start`, with places in the whole."""
    if deviation.at is None or deviation.worst is None:
        return deviation
    worst = replace(deviation.worst, at=_sum(start, deviation.worst.at))
    return replace(deviation, at=_sum(start, deviation.at), worst=worst)


def _sum(start: Shape, place: Shape) -> Shape:
    return tuple(map(operator.add, start, place))


def _size(number: float | None) -> float:
    return math.inf if number is None else number


def within(outputs: Sides[Tensor], limit: Tensor) -> bool:
    """Tell whether both outputs are within `limit` of one another at every entry; all tensors are of one shape.

    NaN and infinity are not within any limit, even of themselves.
    """
    return bool((distance(outputs) <= limit).all())


class Looseness(NamedTuple):
    """The mean of a limit and of the outputs of one part of a batch, over the largest of either."""

    largest: float
    limit: float
    output: float
    entries: int


def looseness(limit: Tensor, output: Tensor) -> Looseness:
    """Return the mean of `limit` and that of `|output|`, of one shape."""
    mean, size = float(limit.mean()), float(torch.linalg.vector_norm(output, ord=1)) / output.numel()
    if math.isfinite(mean) and math.isfinite(size):
        return Looseness(1.0, mean, size, output.numel())
    limit, output = limit.clamp(max=torch.finfo(limit.dtype).max), output.abs()
    # Their sums may overflow.
    largest = float(torch.maximum(limit.max(), output.max())) or 1.0
    return Looseness(largest, float((limit / largest).mean()), float((output / largest).mean()), output.numel())


def mean_looseness(parts: Sequence[Looseness]) -> float | None:
    """Return the mean of the limit over that of the outputs, of all parts; None if all outputs are zero.

    It is inf where float64 does not hold it.
    """
    largest = max(part.largest for part in parts)
    shares = [part.largest / largest * part.entries for part in parts]
    limit, output = (
        sum(share * getattr(part, name) for share, part in zip(shares, parts, strict=True))
        for name in ("limit", "output")
    )
    if any(part.output for part in parts):
        return float(limit / output) if output else math.inf
    return None


def spacing(value: float, unit: Arithmetic) -> float:
    """Return the distance from |value| to the next larger number of the dtype: one unit in the last place."""
    if value == 0:
        return unit.smallest
    _, exponent = math.frexp(value)
    return max(math.ldexp(2 * unit.output, exponent - 1), unit.smallest)


def rms(output: Tensor, truth: Tensor) -> float:
    """Return the root mean square of `output - truth`, two tensors of one shape."""
    return float((output - truth).square_().mean().sqrt())


def mean_rms(parts: Sequence[tuple[float, int]]) -> float:
    """Return the root mean square of several parts, each with its own and its number of entries."""
    total = sum(count for _, count in parts)
    return math.hypot(*(error * math.sqrt(count / total) for error, count in parts))


def finite(value: Tensor | float) -> float | None:
    """Return a number that JSON can hold, or None for NaN and infinity."""
    number = float(value)
    return number if math.isfinite(number) else None
