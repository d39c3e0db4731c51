"""The integers of a probe are as large as they may be, and there are as many probes as are needed."""

from __future__ import annotations

import pytest
import torch

from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence.probes import make_plan, missed


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
    # With gradients a probe of a product of two tells as much as two; see `probes`.
    values = 2 * plan.magnitude + 1
    missed = 3 / values**2 if name == "patchify-linear" else degree / values
    assert plan.false_accept == pytest.approx(missed**plan.probes)
    assert missed**plan.probes <= 1e-9 < missed ** (plan.probes - 1)


@pytest.mark.parametrize(("outputs", "magnitude"), [(1, 1), (1, 2), (1, 4), (2, 1)])
def test_no_difference_of_one_product_is_missed_more_often_than_is_said(outputs: int, magnitude: int) -> None:
    """All of A u v + a v + d u + e with small factors, at all whole numbers u, v and cotangents that there are."""
    values = torch.arange(-magnitude, magnitude + 1)
    points = torch.cartesian_prod(*[values] * (2 + outputs))
    u, v, c = points[:, 0], points[:, 1], points[:, 2:]
    factors = torch.cartesian_prod(*[torch.tensor([-1, 0, 1])] * (4 * outputs)).reshape(-1, 4, outputs, 1)
    both, right, left, neither = (factors[factors.flatten(1).any(1)]).unbind(1)
    # Factors are [polynomial, output, 1], and what they make [polynomial, output, point].
    output = both * (u * v) + right * v + left * u + neither
    in_u, in_v = ((slope * c.T).sum(1) for slope in (both * v + left, both * u + right))
    alone = (output == 0).all(1)
    missed_by_all = (alone & (in_u == 0) & (in_v == 0)).double().mean(1)
    assert 0 < float(missed_by_all.max()) <= missed(2, magnitude, bilinear=True)
    assert float(alone.double().mean(1).max()) <= missed(2, magnitude, bilinear=False)
