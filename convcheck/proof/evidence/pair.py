"""Both sides of a claim, built once, as functions of the reference's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from einops import EinopsError
from torch import Tensor, nn
from torch.func import functional_call

from convcheck.catalogue.claims import Claim
from convcheck.layers import Layer
from convcheck.modules.build import build
from convcheck.proof.evidence.samples import Point
from convcheck.rewriting.transplant import Transplant
from convcheck.sizes.patterns import Shapes


class CannotRunError(Exception):
    """Torch cannot do what is asked here: no such device, no such kernel, out of memory."""


@contextmanager
def torch_may_refuse() -> Iterator[None]:
    """Turn what torch raises when it cannot run something into a CannotRunError. Faults of ours stay what they are."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, (EinopsError, RecursionError)):
            raise
        lines = str(error).strip().splitlines()
        raise CannotRunError(lines[0] if lines else type(error).__name__) from None


@dataclass(frozen=True)
class Pair:
    """The reference, the candidate, and how weights move. Neither module's own parameters are used in a run.

    `gain` bounds |error| / (u * M^2) of a candidate that lands next to integers; it is 0 where sums are exact.
    """

    layer: Layer
    shapes: Shapes
    """Those of the inputs."""
    reference: nn.Module
    candidate: nn.Module
    transplant: Transplant
    gain: float = 0.0

    def run(self, point: Point) -> tuple[Tensor, Tensor]:
        """Return both outputs at a point.

        The transplant is part of the graph, so gradients of either output come back in the reference's own layout.
        """
        return self.run_reference(point), self.run_candidate(point)

    def run_reference(self, point: Point) -> Tensor:
        with torch_may_refuse():
            output: Tensor = functional_call(self.reference, dict(point.parameters), point.inputs)
        return output

    def run_candidate(self, point: Point) -> Tensor:
        with torch_may_refuse():
            moved = self.transplant.forward(point.parameters)
            output: Tensor = functional_call(self.candidate, moved, point.inputs)
        return output


def drawn_in(dtype: str) -> torch.dtype:
    """Return the dtype in which random numbers are drawn for a run in `dtype`.

    Numbers of float32 would leave float64 nothing to round, so float64 draws its own; the others are cast.
    """
    return torch.float64 if dtype == "float64" else torch.float32


def build_pair(claim: Claim) -> Pair:
    """Build both sides of a claim. The reference is initialised as torch does, from the case's seed."""
    assert claim.rewrite is not None
    layer = claim.case.layer
    with torch_may_refuse(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(claim.case.seed)
        reference = build(layer, drawn_in(claim.case.dtype))
    with torch.device("meta"):
        # The candidate runs on transplanted parameters only; its own need no memory.
        candidate = claim.rewrite.build(layer, claim.case.inputs, claim.case.order)
    transform = claim.rewrite.transform
    gain = transform.gain(layer, *claim.case.inputs) if transform else 0.0
    return Pair(layer, claim.case.inputs, reference.eval(), candidate.eval(), claim.transplant(), gain)
