"""What torch's own comparisons, with their default tolerances, say of the two sides of a claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from convcheck.catalogue.claims import Claim
from convcheck.proof.build_pair import build_pair
from convcheck.sides.sample import Sample

COMPARISONS = ("torch.allclose", "torch.testing.assert_close")


@dataclass(frozen=True)
class Recorded:
    """The numbers of every run, changed or as they are drawn, in the place of real weights."""

    change: Callable[[Sample], Sample] = lambda sample: sample
    samples: list[Sample] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def replace(self, sample: Sample) -> Sample:
        self.samples.append(self.change(sample))
        return self.samples[-1]

    def of(self, claim: Claim) -> Claim:
        """Return the claim with its numeric part on these numbers."""
        return replace(claim, case=replace(claim.case, weights=self))


def in_dtype(claim: Claim, drawn: Sample) -> tuple[Tensor, Tensor]:
    """Return both outputs, as `verify` compares them in the asked dtype."""
    dtype = getattr(torch, claim.case.dtype)
    with torch.no_grad():
        return build_pair(claim).run(drawn.mapped(lambda tensor: tensor.to(dtype)))


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
