"""Measures how far the products of a sum repeat one another, since then their rounding errors do, too.

Adding the same number again makes the same error again, as long as the sum stays within one binade. The errors of n
equal products are n times one error, not about sqrt(n) times; so in a bound for independent errors,

    F2 = sum over groups of equal products of (their number)^2

takes the place of K, which it is where all products differ; where all are equal it is K^2, and the bound is the one
that assumes nothing. F2 is a second frequency moment: with a random sign for every value, the square of the sum of the
signs has it as its mean (N. Alon, Y. Matias and M. Szegedy, The Space Complexity of Approximating the Frequency
Moments, 1996, section 2.2). The signs of the factors give that of a product, so the reference itself adds them up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from convcheck.proof.batch import PART
from convcheck.proof.pair import Pair
from convcheck.sides.sample import Sample

SHORT = 256
"""Sums of fewer products are within the bound for independent errors, however alike these are."""

RUNS = 6
CHANCE = 8.0
"""A moment of up to this many times K may be chance: K is that of products that all differ."""

_ODD = (0x7F51AFD7ED558CD, 0x1F83D9ABFB41BD6B, 0x632BE59BD9B4E019)
_SHIFTS = (33, 29, 32)
_SIGN = -(2**31)
"""The bit of a float32 that is its sign."""


def moment(pair: Pair, sample: Sample, terms: int, unit: float) -> float:
    """Return F2 of the output in which products repeat most; K, which is `terms`, where that may be chance.

    `unit` is u_acc. Products count as equal if they agree to about K * u_acc, for then their errors do. Of a batch
    whose entries are alike, `sample` may be a part.
    """
    if terms < SHORT or not unit:
        return float(terms)
    bits = max(1, math.floor(-math.log2(terms * unit)))
    tensors = {
        name: _hashes(tensor, bits, number)
        for number, (name, tensor) in enumerate(sample.tensors().items())
        if tensor.dtype != torch.bool
    }
    squares = _signed_sums(pair, sample, tensors, 0).square_()
    for run in range(1, RUNS):
        squares += _signed_sums(pair, sample, tensors, run).square_()
    largest = float(squares.max()) / RUNS
    return min(largest, float(terms) ** 2) if largest > CHANCE * terms else float(terms)


def _signed_sums(pair: Pair, sample: Sample, hashes: Mapping[str, Tensor], run: int) -> Tensor:
    """Return the reference's output with the sign of every number in its place: `[*output]`.

    It is float32, which adds up signs exactly.
    """
    signed = {
        name: _signs(tensor, hashes[name], run) if name in hashes else tensor
        for name, tensor in sample.tensors().items()
    }
    for name, statistic in pair.reference.statistics.items():
        if statistic.eps is not None:
            # A variance scales whole channels, by 1 here.
            signed[name] = torch.full_like(signed[name], 1 - statistic.eps)
    inputs = tuple(signed.values())[: len(sample.inputs)]
    return pair.run_reference(Sample(inputs, {name: signed[name] for name in sample.parameters}))


def _hashes(values: Tensor, bits: int, seed: int) -> Tensor:
    """Return a hash of every value, int8: equal for values that agree to `bits` bits, whatever their signs."""
    hashes = torch.empty(values.shape, dtype=torch.int8)
    for some, into in _pieces(values, hashes):
        significand, exponent = torch.frexp(some.double().abs_())
        mixed = significand.mul_(2.0**bits).round_().long().mul_(_ODD[1])
        mixed += exponent.long().mul_(_ODD[2]).add_(seed * _ODD[0] % 2**62)
        for shift in _SHIFTS:
            # An arithmetic shift of int64 brings ones in; they are cut away.
            mixed ^= (mixed >> shift).bitwise_and_((1 << (64 - shift)) - 1)
            mixed *= _ODD[0]
        # After a multiplication the highest bits are mixed best.
        into.copy_(mixed.bitwise_right_shift_(56))
    return hashes


def _signs(values: Tensor, hashes: Tensor, run: int) -> Tensor:
    """Return a random sign for every value, float32: one bit of its hash, of which every run has another.

    Values of opposite signs get opposite ones. 0 stays 0, since it adds no error.
    """
    signs = torch.empty(values.shape)
    for some, its_hashes, into in _pieces(values, hashes, signs):
        into.copy_(some.sign())
        into.view(torch.int32).bitwise_xor_(its_hashes.int().bitwise_left_shift_(24 + run + 1).bitwise_and_(_SIGN))
    return signs


def _pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield tensors of as many entries in pieces that a processor's caches hold, since weights may be large."""
    yield from zip(*(torch.split(tensor.reshape(-1), PART) for tensor in tensors), strict=True)
