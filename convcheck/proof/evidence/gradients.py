"""Exact equality of the gradients, from the same integer probes and a cotangent of integers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.proof.evidence.integers import Probe, pull_back
from convcheck.proof.evidence.samples import whole_numbers
from convcheck.results import Agreement, Gradients


@dataclass(frozen=True)
class Pulled:
    """The gradients of one variable, as both sides give them, in the reference's layout."""

    reference: Tensor
    candidate: Tensor


def pull(probe: Probe) -> dict[str, Pulled]:
    """Return the gradients of all inputs and parameters for one cotangent; none where the outputs' shapes differ."""
    if probe.reference.shape != probe.candidate.shape:
        return {}
    cotangent = whole_numbers(tuple(probe.reference.shape), probe.magnitude, probe.generator)
    variables = probe.point.variables()
    sides = [pull_back(side, list(variables.values()), cotangent) for side in (probe.reference, probe.candidate)]
    return {
        name: Pulled(reference, probe.whole(candidate))
        for name, reference, candidate in zip(variables, *sides, strict=True)
    }


def compare(pulled: Mapping[str, Pulled]) -> Gradients:
    """Compare the gradients of input and parameters bit for bit."""
    found = Gradients()
    for name, each in pulled.items():
        outcome = Agreement.IDENTICAL if torch.equal(each.reference, each.candidate) else Agreement.DIFFERENT
        found = merge(found, dataclasses.replace(Gradients(), **{_kind(name): outcome}))
    return found


def _kind(name: str) -> str:
    """Return which of the three a variable belongs to; a chain of layers has several weights and biases."""
    if name.startswith("input"):
        return "input"
    return "bias" if "bias" in name.rpartition(".")[2] else "weight"


def merge(first: Gradients, second: Gradients) -> Gradients:
    """Return what two findings together say: different where either found a difference."""

    def worse(a: Agreement, b: Agreement) -> Agreement:
        return next((each for each in (Agreement.DIFFERENT, Agreement.IDENTICAL) if each in (a, b)), a)

    return Gradients(
        worse(first.input, second.input), worse(first.weight, second.weight), worse(first.bias, second.bias)
    )


def differing(found: Gradients) -> list[str]:
    """Return the names of the gradients that differ."""
    return [name for name in ("input", "weight", "bias") if getattr(found, name) is Agreement.DIFFERENT]
