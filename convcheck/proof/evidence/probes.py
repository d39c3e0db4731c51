"""Probes of integers, on which floating-point sums are exact in any order.

Both sides are sums of products: of an input and a weight, or in a chain of an input and one weight from every layer.
With whole numbers in [-M, M], products of d factors and at most K of them in any sum, no partial sum exceeds K * M^d;
as long as that is at most 2^53, float64 holds every one of them exactly, however the sum is ordered. Two outputs of the
same function are then bit-identical.

If they were different functions, their difference would be a polynomial of degree d in inputs and parameters that is
not zero, and a random probe would be one of its roots with a probability of at most d / (2M + 1)
(J. T. Schwartz, Fast Probabilistic Algorithms for Verification of Polynomial Identities, 1980, Lemma 1).

Most layers are sums of products of an input and a weight, and of either alone: their difference in output j is
p_j = u A_j v + a_j v + d_j u + e_j, in inputs u and parameters v. There gradients tell as much as a second probe. The
gradients of sum c_j p_j, with whole numbers c in [-M, M] as well, are B v + d in the inputs and B' u + a in the
parameters, with B = sum c_j A_j, and a and d likewise. A wrong rewrite passes outputs and gradients only if

- B, a and d are all 0, though some A_j, a_j or d_j is not: by chance in one of 2M + 1, and p = 0 besides, which does
  not depend on c, in two of 2M + 1;
- or B is not 0, and both B v + d = 0 and B' u + a = 0: in one of 2M + 1 each, and u does not depend on v.

If B alone is 0, a or d is a gradient that is not; if only e is not 0, outputs show it. So a probe with gradients misses
with a probability of at most 3 / (2M + 1)^2, and one is enough where two would be without them, which miss by
4 / (2M + 1)^2.

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

from convcheck.proof.observations import stream
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
    bilinear: bool = False
    """Whether outputs are sums of products of an input and a parameter, so that gradients are worth a probe."""

    @property
    def false_accept(self) -> float:
        """The probability that a wrong rewrite passes all probes, at most."""
        return float(missed(self.degree, self.magnitude, bilinear=self.bilinear) ** self.probes)

    def by_outputs(self) -> Plan:
        """Return the plan where gradients differ, so that outputs have to tell alone whether they are the same."""
        return replace(self, probes=probe_count(self.degree, self.magnitude), bilinear=False)

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

    def outputs(self) -> tuple[Tensor, Tensor]:
        """Return both outputs as integers, without their graph."""
        return self.reference.detach(), whole(self.candidate.detach(), rounded=self.rounded)


def whole(tensor: Tensor, *, rounded: bool) -> Tensor:
    """Return an output or a gradient of a candidate, rounded to integers if it goes through a transform."""
    return tensor.round() if rounded else tensor


def make_plan(pair: Pair, degree: int) -> Plan:
    """Choose M and the number of probes for the longest sum on both sides, forwards and backwards."""
    gain, longest = pair.candidate.gain, pair.longest_sum
    magnitude = 1 if longest is None else max(1, root(EXACT // longest, degree))
    if gain:
        magnitude = min(magnitude, largest_next_to_integers(gain))
    bilinear = _is_bilinear(pair, degree)
    count = probe_count(degree, magnitude, bilinear=bilinear)
    return Plan(degree, magnitude, count, UNIT_ROUNDOFF * gain * magnitude**2, bilinear)


def _is_bilinear(pair: Pair, degree: int) -> bool:
    """Tell whether both sides are layers that multiply each input with one parameter, or with one other input.

    Both are then affine in what is multiplied on the left, and in what is on the right. Code of the user's own may
    square an input instead; a statistic has no gradient; and rounded gradients tell less.
    """
    reference = pair.reference
    return (
        degree == 2
        and pair.graphs is None
        and pair.mapping.degree == 1
        and not pair.candidate.gain
        and not (reference.statistics or reference.boolean_inputs or reference.whole_inputs)
    )


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


def probe_count(degree: int, magnitude: int, *, bilinear: bool = False) -> int:
    """Return how many probes a polynomial that is not zero is a root of with a probability under FALSE_ACCEPT.

    Of one that is `bilinear` its gradients are roots, too.
    """
    return math.ceil(math.log(FALSE_ACCEPT) / math.log(missed(degree, magnitude, bilinear=bilinear)))


def missed(degree: int, magnitude: int, *, bilinear: bool) -> float:
    """Return the probability that one probe misses a wrong rewrite, at most."""
    return 3 / (2 * magnitude + 1) ** 2 if bilinear else degree / (2 * magnitude + 1)


def root(number: int, degree: int) -> int:
    """Return the largest whole M with `M^degree <= number`."""
    guess = 1 << (number.bit_length() // degree + 1)
    while guess**degree > number:
        # Newton's iteration on whole numbers comes down to the root, and never below it.
        guess = ((degree - 1) * guess + number // guess ** (degree - 1)) // degree
    return guess


def draw_probe(pair: Pair, plan: Plan, seed: int, number: int) -> Probe:
    """Draw a probe and run both sides on it."""
    generator = stream(seed, number)
    sample = samples.integers(pair.reference, plan.magnitude, generator)
    return Probe(sample, *pair.run(sample), generator, plan.magnitude, rounded=pair.candidate.gain > 0)
