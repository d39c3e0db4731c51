"""Claims that a proof for all sizes is asked of, and what their proofs say."""

from __future__ import annotations

from convcheck.all_sizes.both import Both
from convcheck.all_sizes.proof import prove
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import Layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence.all_sizes import axis_names, remake
from convcheck.results import Sides, SizesProof
from convcheck.sizes.patterns import Shapes


def claim_of(name: str, layer: Layer, inputs: Shapes) -> Claim:
    """Return the claim that a rewrite of the catalogue holds for a layer."""
    return Claim(Case(name=name, layer=layer, inputs=inputs), name, catalogue()[name], ())


def both_of(claim: Claim) -> Both:
    """Build both sides."""
    pair = build_pair(claim)
    return Both(Sides(pair.reference, pair.candidate), pair.mapping, remake(claim, pair.mapping))


def proof_of(claim: Claim, both: Both, seconds: float) -> SizesProof:
    """Return what is proved of a claim for all sizes."""
    return prove(both, axis_names(claim.case), seconds)
