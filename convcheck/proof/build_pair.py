"""Both sides of a claim, built: layers here, and the user's own code as it is traced."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.modules.build import build
from convcheck.proof.batch import MANY, part_of
from convcheck.proof.observations import remembered
from convcheck.proof.pair import Pair, drawn_in
from convcheck.proof.shared import Shared
from convcheck.rewriting.candidate_side import candidate_side
from convcheck.rewriting.rewrite import Rewrite
from convcheck.rounding.precision import Arithmetic
from convcheck.sides.sample import Sample
from convcheck.sides.side import Side, side_of_layer, torch_may_refuse


def build_pair(claim: Claim, shared: Shared | None = None) -> Pair:
    """Build both sides of a claim. The reference is initialised as torch does, from the case's seed.

    Of what is `shared`, the reference may be there, or both sides.

    Raises:
        CannotRunError: a side cannot be built, or is code that cannot be called with the inputs.
    """
    own = claim.case.candidate
    if own is not None and any(layer.degree() is None for layer in (claim.case.layer, own.layer)):
        # Graphs are read where they are needed, and nowhere else.
        from convcheck.proof.traced_pair import build_traced_pair

        return build_traced_pair(claim, own)
    case, rewrite = claim.case, claim.rewrite
    assert rewrite is not None
    if shared is None or own is not None:
        return _build_layer_pair(claim, rewrite, _build_reference(case))
    key = (case.layer, case.inputs, case.seed, drawn_in(case.dtype))
    reference = shared.reference(key, lambda: _build_reference(case))
    # The rewrite is kept with the pair, so that no other one gets its number.
    laid_out = tuple((name, str(relayout)) for name, relayout in case.transplant.items())
    named = ("pair", id(rewrite), case.order, laid_out)
    pair, _ = remembered(reference, named, lambda: (_build_layer_pair(claim, rewrite, reference), rewrite))
    return pair


def _build_reference(case: Case) -> Side:
    layer = case.layer
    if layer.degree() is None or layer.statistics() or layer.parameter_count() <= MANY:
        return side_of_layer(layer, case.inputs, _draw_module(case))
    # Probes take the room of so many weights, and have numbers of their own.
    with torch_may_refuse(), torch.device("meta"):
        return side_of_layer(layer, case.inputs, build(layer, drawn_in(case.dtype)).eval())


def weights_of(side: Side, case: Case) -> dict[str, Tensor]:
    """Return the reference's own parameters: torch's initialisation, from the case's seed."""
    parameters = dict(side.module.named_parameters())
    if any(parameter.is_meta for parameter in parameters.values()):
        parameters = dict(_draw_module(case).named_parameters())
    return {name: parameter.detach() for name, parameter in parameters.items()}


def _draw_module(case: Case) -> nn.Module:
    with torch_may_refuse(), torch.random.fork_rng(devices=[]):
        # torch.manual_seed would set the generators of other devices, too, for good.
        torch.default_generator.manual_seed(case.seed)
        return build(case.layer, drawn_in(case.dtype)).eval()


def _build_layer_pair(claim: Claim, rewrite: Rewrite, reference: Side) -> Pair:
    case, mapping, analysis = claim.case, claim.transplant(), rewrite.analysis

    def distance(sample: Sample, unit: Arithmetic) -> Tensor:
        assert analysis is not None
        return analysis(case.layer, sample.inputs, sample.parameters, unit)

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
