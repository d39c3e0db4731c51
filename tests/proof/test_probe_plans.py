"""The integers of a probe are as large as they may be, and there are as many probes as are needed."""

from __future__ import annotations

import pytest
import torch

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence.probes import make_plan


@pytest.mark.parametrize("name", ["patchify-linear", "merge-convs", "fft", "winograd"])
def test_a_larger_magnitude_would_not_be_exact_and_a_probe_less_not_sure_enough(name: str) -> None:
    rewrite = catalogue()[name]
    layer = parse_layer(rewrite.example)
    shapes = rewrite.example_inputs or layer.example_inputs()
    pair = build_pair(Claim(Case("case", layer, shapes, (name,)), name, rewrite, ()))
    degree, gain = pair.reference.degree, pair.candidate.gain
    assert degree is not None
    plan = make_plan(pair, degree)

    def fits(magnitude: int) -> bool:
        exact = pair.sum_lengths.longest * magnitude**degree <= 2**53
        return exact and torch.finfo(torch.float64).eps / 2 * gain * magnitude**2 <= 1 / 4

    assert fits(plan.magnitude)
    assert not fits(plan.magnitude + 1)
    assert plan.error == torch.finfo(torch.float64).eps / 2 * gain * plan.magnitude**2
    missed = degree / (2 * plan.magnitude + 1)
    assert plan.false_accept == pytest.approx(missed**plan.probes)
    assert missed**plan.probes <= 1e-9 < missed ** (plan.probes - 1)
