"""Both sides of a claim, built: layers here, and the user's own code as it is traced."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convcheck.catalogue.claims import Claim
from convcheck.modules.build import build
from convcheck.proof.batch import part_of
from convcheck.proof.pair import Pair, drawn_in
from convcheck.rewriting.candidate_side import candidate_side
from convcheck.rounding.precision import Arithmetic
from convcheck.sides.sample import Sample
from convcheck.sides.side import side_of_layer, torch_may_refuse


def build_pair(claim: Claim) -> Pair:
    """Build both sides of a claim. The reference is initialised as torch does, from the case's seed.

    Raises:
        CannotRunError: a side cannot be built, or is code that cannot be called with the inputs.
    """
    own = claim.case.candidate
    if own is not None and any(layer.degree() is None for layer in (claim.case.layer, own.layer)):
        # Graphs are read where they are needed, and nowhere else.
        from convcheck.proof.traced_pair import build_traced_pair

        return build_traced_pair(claim, own)
    return _build_layer_pair(claim)


def _build_layer_pair(claim: Claim) -> Pair:
    case, rewrite, mapping = claim.case, claim.rewrite, claim.transplant()
    assert rewrite is not None
    with torch_may_refuse(), torch.random.fork_rng(devices=[]):
        # torch.manual_seed would set the generators of other devices, too, for good.
        torch.default_generator.manual_seed(case.seed)
        module = build(case.layer, drawn_in(case.dtype)).eval()
    analysis = rewrite.analysis

    def distance(sample: Sample, unit: Arithmetic) -> Tensor:
        assert analysis is not None
        return analysis(case.layer, sample.inputs, sample.parameters, unit)

    reference = side_of_layer(case.layer, case.inputs, module)
    if case.candidate is not None:
        # A wrong candidate may be of another degree.
        ours, theirs = case.layer.degree(), case.candidate.layer.degree()
        if ours is not None and theirs is not None:
            reference = replace(reference, degree=max(ours, theirs * mapping.degree))
    candidate = candidate_side(rewrite, case.layer, case.inputs, case.order, mapping)
    if case.candidate is not None:
        roundings = candidate.roundings
        more = sum(move.roundings for move in mapping.moves)
        candidate = replace(candidate, roundings=roundings._replace(sums=roundings.sums + more))
    return Pair(
        reference,
        candidate,
        mapping,
        None if analysis is None else distance,
        rewrite.input_scales(case.layer, *case.inputs),
        part=part_of(claim),
    )
