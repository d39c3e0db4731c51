"""Probes of integers, on which floating-point sums are exact in any order.

Both sides are sums of products: of an input and a weight, or in a chain of an input and one weight from every layer.
With whole numbers in [-M, M], products of d factors and at most K of them in any sum, no partial sum exceeds K * M^d;
as long as that is at most 2^53, float64 holds every one of them exactly, however the sum is ordered. Two outputs of the
same function are then bit-identical.

If they were different functions, their difference would be a polynomial of degree d in inputs and parameters that is
not zero, and a random probe would be one of its roots with a probability of at most d / (2M + 1)
(J. T. Schwartz, Fast Probabilistic Algorithms for Verification of Polynomial Identities, 1980, Lemma 1).
A running variance is no such variable: it is drawn so that 1 / sqrt(variance + eps) is 2 or 4, and the argument holds
for the polynomial that is left in all others.

A candidate that goes through a transform (an FFT, say) only lands next to the integers. M is then small enough for its
a-priori error bound to stay under a quarter, and both outputs and gradients are rounded before they are compared.

The probes run on the CPU whatever the device: they are about the function, not about the platform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convcheck.proof.pair import Pair
from convcheck.sides import samples
from convcheck.sides.sample import Sample

EXACT = 2**53
"""float64 holds every whole number up to here."""

UNIT_ROUNDOFF = 2.0**-53
QUARTER = 0.25
"""The error that a transform may make on integers: half of what would still round to the right one."""

LIKELIEST = 0.75
"""Where a wrong polynomial would pass a probe more often than this, too many probes are needed."""

FALSE_ACCEPT = 1e-9
"""Probes are added until a wrong rewrite would slip through more rarely than this."""


@dataclass(frozen=True)
class Plan:
    """The magnitude of the integers and the number of probes."""

    degree: int
    magnitude: int
    probes: int
    error: float
    """The bound of a transform's error on these integers, 0 where every sum is exact."""

    @property
    def false_accept(self) -> float:
        """The probability that a wrong rewrite passes all probes, at most."""
        return float((self.degree / (2 * self.magnitude + 1)) ** self.probes)

    def small(self) -> Plan:
        """Return the plan for the smallest integers, beside which a small constant is not rounded away."""
        return replace(self, magnitude=1)


@dataclass(frozen=True)
class Probe:
    """One drawn probe with both outputs: float64, attached to their graph, of one shape if the candidate is right."""

    sample: Sample
    reference: Tensor
    candidate: Tensor
    generator: torch.Generator
    magnitude: int
    rounded: bool
    """Whether the candidate goes through a transform, so that its outputs and gradients are rounded to integers."""

    def whole(self, tensor: Tensor) -> Tensor:
        """Return an output or a gradient of the candidate, rounded to integers if the probe is, of the same shape."""
        return tensor.round() if self.rounded else tensor

    def outputs(self) -> tuple[Tensor, Tensor]:
        """Return both outputs as integers, without their graph."""
        return self.reference.detach(), self.whole(self.candidate.detach())


def make_plan(pair: Pair, degree: int) -> Plan:
    """Choose M and the number of probes for the longest sum on both sides, forwards and backwards."""
    gain, longest = pair.candidate.gain, pair.longest_sum
    magnitude = 1 if longest is None else max(1, root(EXACT // longest, degree))
    if gain:
        magnitude = min(magnitude, largest_next_to_integers(gain))
    return Plan(degree, magnitude, probe_count(degree, magnitude), UNIT_ROUNDOFF * gain * magnitude**2)


def largest_next_to_integers(gain: float) -> int:
    """Return the largest M for which a transform of this `Side.gain` lands near enough to whole numbers; 1 at least."""
    return max(1, math.isqrt(int(QUARTER / (UNIT_ROUNDOFF * gain))))


def can_tell(pair: Pair) -> bool:
    """Tell whether there are integers so large that a wrong polynomial shows, and so small that sums are exact."""
    degree = pair.reference.degree
    longest = pair.longest_sum
    if degree is None or longest is None or longest > EXACT:
        return False
    return degree / (2 * root(EXACT // longest, degree) + 1) <= LIKELIEST


def probe_count(degree: int, magnitude: int) -> int:
    """Return how many probes a polynomial that is not zero is a root of with a probability under FALSE_ACCEPT."""
    return math.ceil(math.log(FALSE_ACCEPT) / math.log(degree / (2 * magnitude + 1)))


def root(number: int, degree: int) -> int:
    """Return the largest whole M with `M^degree <= number`."""
    guess = 1 << (number.bit_length() // degree + 1)
    while guess**degree > number:
        # Newton's iteration on whole numbers comes down to the root, and never below it.
        guess = ((degree - 1) * guess + number // guess ** (degree - 1)) // degree
    return guess


def stream(seed: int, number: int) -> torch.Generator:
    """Return a stream of random numbers: that of probe `number`, or, with a large one, of another kind of evidence."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)


def draw_probe(pair: Pair, plan: Plan, seed: int, number: int) -> Probe:
    """Draw a probe and run both sides on it."""
    generator = stream(seed, number)
    sample = samples.integers(pair.reference, plan.magnitude, generator)
    return Probe(sample, *pair.run(sample), generator, plan.magnitude, rounded=pair.candidate.gain > 0)
