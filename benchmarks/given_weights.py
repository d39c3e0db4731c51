"""Weights as users bring them, some of which hide what a rewrite does with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

import torch
from torch import Tensor

from convcheck.catalogue.claims import Claim
from convcheck.layers import parse_layer
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sides.sample import Sample


class Weights(StrEnum):
    """What the weights are."""

    ZEROS = "zeros"
    TINY = "tiny"
    HUGE = "huge"
    EQUAL = "all equal"
    SPARSE = "sparse"
    TRAINED = "as after training"


@dataclass(frozen=True)
class GivenWeights:
    """A source of weights for a case: of `kind` where they are called one of `names`, and else as drawn."""

    kind: Weights
    names: tuple[str, ...]
    seed: int
    dtype: str
    notes: tuple[str, ...] = ()

    def replace(self, sample: Sample) -> Sample:
        """Return the sample with these weights in place of drawn ones."""
        generator = torch.Generator().manual_seed(self.seed)
        changed = {name: self._changed(sample.parameters[name], generator) for name in self.names}
        return Sample(sample.inputs, {**sample.parameters, **changed})

    def _changed(self, tensor: Tensor, generator: torch.Generator) -> Tensor:
        # float16 ends at 65,504.
        share = 0.2 if self.dtype == "float16" else 1.0
        match self.kind:
            case Weights.ZEROS:
                return torch.zeros_like(tensor)
            case Weights.TINY:
                return tensor * 10 ** (-20 * share)
            case Weights.HUGE:
                return tensor * 10 ** (9 * share)
            case Weights.EQUAL:
                return tensor.flatten()[:1].expand(tensor.numel()).reshape(tensor.shape)
            case Weights.SPARSE:
                return tensor * (torch.rand(tensor.shape, generator=generator) < 0.1)
            case Weights.TRAINED:
                # Small ones, and some channels that outweigh the others; all keep their signs, for variances have one.
                rows = torch.exp(2 * torch.randn(tensor.shape[:1], generator=generator))
                return 0.1 * tensor * rows.reshape(-1, *[1] * (tensor.dim() - 1)).to(tensor.dtype)

    def __str__(self) -> str:
        return f"{', '.join(self.names)} {self.kind}"


def given(claim: Claim, random: Random) -> Claim:
    """Return a claim on weights of one kind, with the other parameters and statistics as they are drawn."""
    layer, case = claim.case.layer, claim.case
    names = [*layer.parameters(), *layer.statistics()]
    chosen = random.sample(names, random.randint(1, len(names)))
    kind = random.choice(list(Weights))
    return replace(claim, case=replace(case, weights=GivenWeights(kind, tuple(chosen), case.seed, case.dtype)))


def matter(rewrite: Rewrite) -> bool:
    """Tell whether a rewrite is one whose evidence may depend on weights: of attention, by a transform, or a merge."""
    layer = parse_layer(rewrite.example)
    shapes = rewrite.example_inputs or layer.example_inputs()
    beyond_integers = rewrite.analysis is not None or rewrite.transform is not None
    return bool(layer.parameters()) and (beyond_integers or rewrite.transplant(layer, shapes).merges())
