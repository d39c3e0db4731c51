"""What torch's own comparisons, with their default tolerances, say of the two sides of a claim."""

from __future__ import annotations

import torch
from torch import Tensor

from convcheck.catalogue.claims import Claim
from convcheck.proof.evidence.pair import build_pair
from convcheck.proof.evidence.samples import Point

COMPARISONS = ("torch.allclose", "torch.testing.assert_close")


def in_dtype(claim: Claim, drawn: Point) -> tuple[Tensor, Tensor]:
    """Return both outputs, as `verify` compares them in the asked dtype."""
    dtype = getattr(torch, claim.case.dtype)
    with torch.no_grad():
        return build_pair(claim).run(drawn.mapped(lambda each: each if each.dtype == torch.bool else each.to(dtype)))


def let_through(reference: Tensor, candidate: Tensor) -> tuple[str, ...]:
    """Return which of torch's own comparisons, with their default tolerances, find no difference."""
    found = []
    if torch.allclose(candidate, reference):
        found.append(COMPARISONS[0])
    try:
        torch.testing.assert_close(candidate, reference)
        found.append(COMPARISONS[1])
    except AssertionError:
        pass
    return tuple(found)
