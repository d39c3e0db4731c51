"""Compares the gradients exactly, on integer probes and a cotangent of integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from convcheck.proof.evidence.probes import Probe
from convcheck.proof.pair import pull_back
from convcheck.results import Agreement, Gradients, Sides
from convcheck.sides.samples import whole_numbers

NAMES = ("input", "weight", "bias")


def gradients_of(probe: Probe) -> dict[str, Sides[Tensor]]:
    """Return both sides' gradients by variable for one cotangent; empty if the outputs' shapes differ.

    They are float64, of the shapes of the reference's inputs and parameters. The cotangent holds whole
    numbers in [-M, M], as the probe does.
    """
    if probe.reference.shape != probe.candidate.shape:
        return {}
    cotangent = whole_numbers(tuple(probe.reference.shape), probe.magnitude, probe.generator)
    variables = probe.sample.variables()
    sides = [pull_back(side, list(variables.values()), cotangent) for side in (probe.reference, probe.candidate)]
    return {
        name: Sides(reference, probe.whole(candidate))
        for name, reference, candidate in zip(variables, *sides, strict=True)
    }


def compare(gradients: Mapping[str, Sides[Tensor]]) -> Gradients:
    """Compare the gradients of input and parameters bit for bit."""
    agreements: dict[str, list[Agreement]] = {}
    for name, pair in gradients.items():
        same = torch.equal(pair.reference, pair.candidate)
        agreements.setdefault(_group(name), []).append(Agreement.IDENTICAL if same else Agreement.DIFFERENT)
    return Gradients(**{name: _worst(statuses) for name, statuses in agreements.items()})


def merge(first: Gradients, second: Gradients) -> Gradients:
    """Return the worse of two agreements for every group of gradients."""
    return Gradients(*(_worst((getattr(first, name), getattr(second, name))) for name in NAMES))


def differing(gradients: Gradients) -> list[str]:
    """Return the names of the gradients that differ."""
    return [name for name in NAMES if getattr(gradients, name) is Agreement.DIFFERENT]


def only(agreement: Agreement, gradients: Gradients) -> Gradients:
    """Return what agrees so; of the others nothing is known."""
    unknown = Agreement.NOT_APPLICABLE
    return Gradients(*(one if one is agreement else unknown for one in (getattr(gradients, name) for name in NAMES)))


def _group(name: str) -> str:
    """Return the group in NAMES of a variable; a chain of layers has several weights and biases."""
    if name.startswith("input"):
        return "input"
    return "bias" if "bias" in name.rpartition(".")[2] else "weight"


def _worst(agreements: Iterable[Agreement]) -> Agreement:
    order = (Agreement.DIFFERENT, Agreement.IDENTICAL, Agreement.NOT_APPLICABLE)
    return min(agreements, key=order.index)
