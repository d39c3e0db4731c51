"""Draws a probe of whole numbers for the whole batch, where all others take a part of it.

It has no gradients, and is in float32 where that adds up exactly, which takes half the memory and less than half the
time of float64. With K products of d factors in a sum, whole numbers up to M are exact in float32 while K * M^d is at
most 2^24; they are then as exact as those of `probes`, only smaller, so that a fault of one entry of the batch passes
by chance with a probability of d / (2M + 1): a few in a thousand. That is no part of what a proof claims of a function
of single entries, which rests on the probes of a part; it is what would notice that the candidate is none.

Some kernels for float32 go by transforms (Winograd), and do not add up exactly. So where outputs differ in float32, it
is float64 that tells.
"""

from __future__ import annotations

import torch

from convcheck.proof.evidence.probes import Plan, Probe, draw_probe, root
from convcheck.proof.observations import stream
from convcheck.proof.pair import Pair
from convcheck.sides import samples

EXACT_FLOAT32 = 2**24
"""float32 holds every whole number up to here."""

LEAST = 8
"""Smaller numbers let a fault pass more often than one time in eight."""

_NUMBER = 600_011
"""Of the stream of random numbers."""


def draw_whole(pair: Pair, plan: Plan, seed: int) -> Probe:
    """Draw a probe of the whole batch and run both sides on it, without their graph.

    It is float32 only if both outputs are the same. `plan` is that of a part.
    """
    magnitude = _magnitude(pair, plan.degree)
    with torch.no_grad():
        if magnitude >= LEAST:
            generator = stream(seed, _NUMBER)
            sample = samples.integers(pair.reference, magnitude, generator, torch.float32)
            probe = Probe(sample, *pair.run(sample), generator, magnitude, rounded=False)
            if torch.equal(*probe.outputs()):
                return probe
            del probe, sample
        return draw_probe(pair, plan, seed, _NUMBER)


def _magnitude(pair: Pair, degree: int) -> int:
    """Return the largest M that float32 adds up exactly; 0 where it does not."""
    bits = pair.mapping.bits
    variances = any(statistic.eps is not None for statistic in pair.reference.statistics.values())
    if bits is None or pair.candidate.gain or variances:
        return 0
    longest = (pair.terms + bool(bits)) << (bits * degree)
    return root(EXACT_FLOAT32 // longest, degree) if longest <= EXACT_FLOAT32 else 0
