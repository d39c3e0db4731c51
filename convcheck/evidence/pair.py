"""Both sides of a claim, built once, as functions of the reference's parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from convcheck.claims import Claim
from convcheck.layers.build import build
from convcheck.transplant import Parameters, Transplant


@dataclass(frozen=True)
class Pair:
    """The reference, the candidate, and how weights move. Neither module's own parameters are used in a run."""

    reference: nn.Module
    candidate: nn.Module
    transplant: Transplant

    def run(self, parameters: Parameters, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return both outputs for the reference's `parameters`.

        The transplant is part of the graph, so gradients of either output come back in the reference's own layout.
        """
        return self.run_reference(parameters, x), self.run_candidate(parameters, x)

    def run_reference(self, parameters: Parameters, x: Tensor) -> Tensor:
        output: Tensor = functional_call(self.reference, dict(parameters), (x,))
        return output

    def run_candidate(self, parameters: Parameters, x: Tensor) -> Tensor:
        output: Tensor = functional_call(self.candidate, self.transplant.forward(parameters), (x,))
        return output


def build_pair(claim: Claim) -> Pair:
    """Build both sides of a claim. The reference is initialised as torch does, from the case's seed."""
    assert claim.rewrite is not None
    layer = claim.case.layer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(claim.case.seed)
        reference = build(layer)
    with torch.device("meta"):
        # The candidate runs on transplanted parameters only; its own need no memory.
        candidate = claim.rewrite.build(layer, claim.case.input, claim.case.order)
    return Pair(reference.eval(), candidate.eval(), claim.transplant())
