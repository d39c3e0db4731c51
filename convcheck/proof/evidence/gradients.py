"""Compares the gradients exactly, on integer probes and a cotangent of integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from convcheck.proof.evidence.probes import whole
from convcheck.proof.fingerprints import short
from convcheck.proof.observations import Graph, Observation
from convcheck.results import Agreement, Gradients, Sides

NAMES = ("input", "weight", "bias")


def gradients_of(seen: Observation, candidate: Graph, *, rounded: bool) -> dict[str, Sides[Tensor]]:
    """Return both sides' gradients by variable for the cotangent of `seen`; empty if the outputs' shapes differ.

    They are float64, of the shapes of the reference's inputs and parameters, or what stands for them, see `short`.
    `candidate` is the graph of the candidate's output; where it goes through a transform, its gradients are `rounded`.
    """
    if seen.cotangent.shape != candidate.shape:
        return {}
    slopes = candidate.pull_back(list(seen.sample.variables().values()), seen.cotangent)
    return {
        name: Sides(short(reference), short(whole(slope, rounded=rounded)))
        for (name, reference), slope in zip(seen.gradients.items(), slopes, strict=True)
    }


def compare(gradients: Mapping[str, Sides[Tensor]]) -> Gradients:
    """Compare the gradients of input and parameters bit for bit."""
    return _grouped({name: torch.equal(pair.reference, pair.candidate) for name, pair in gradients.items()})


def without(differing: Iterable[str], variables: Iterable[str]) -> Gradients:
    """Return how gradients compare where those of some variables differ."""
    different = set(differing)
    return _grouped({name: name not in different for name in variables})


def _grouped(same: Mapping[str, bool]) -> Gradients:
    agreements: dict[str, list[Agreement]] = {}
    for name, identical in same.items():
        agreements.setdefault(_group(name), []).append(Agreement.IDENTICAL if identical else Agreement.DIFFERENT)
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
