"""Exact equality of the gradients, from the same integer probes and a cotangent of integers."""

from __future__ import annotations

import torch

from convcheck.evidence.integers import Probe, integers, pull_back
from convcheck.results import Agreement, Gradients


def compare(probe: Probe) -> Gradients:
    """Compare the gradients of input and parameters, both in the reference's layout, bit for bit."""
    if probe.reference.shape != probe.candidate.shape:
        return Gradients()
    cotangent = integers(tuple(probe.reference.shape), probe.magnitude, probe.generator)
    sides = [pull_back(side, probe.inputs, cotangent) for side in (probe.reference, probe.candidate)]
    found = {
        name: Agreement.IDENTICAL if torch.equal(reference, probe.whole(candidate)) else Agreement.DIFFERENT
        for name, reference, candidate in zip(probe.names, *sides, strict=True)
    }
    return Gradients(*(found.get(name, Agreement.NOT_APPLICABLE) for name in ("input", "weight", "bias")))


def merge(first: Gradients, second: Gradients) -> Gradients:
    """Return what two probes together say: different where either found a difference."""

    def worse(a: Agreement, b: Agreement) -> Agreement:
        return Agreement.DIFFERENT if Agreement.DIFFERENT in (a, b) else a

    return Gradients(
        worse(first.input, second.input), worse(first.weight, second.weight), worse(first.bias, second.bias)
    )


def differing(found: Gradients) -> list[str]:
    """Return the names of the gradients that differ."""
    return [name for name in ("input", "weight", "bias") if getattr(found, name) is Agreement.DIFFERENT]
