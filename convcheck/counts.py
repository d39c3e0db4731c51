"""Parameters of layers and of their rewrites: cases to values, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from convcheck.claims import NONE_APPLIES, Claim
from convcheck.results import Sides, Weights
from convcheck.rewrite import parameter_count


def weights_of(claims: Iterable[Claim]) -> Iterator[Weights]:
    """Yield parameter counts and weight shapes of both sides of every claim."""
    for claim in claims:
        layer = claim.case.layer
        own = layer.parameters()
        common = {"case": claim.case.name, "layer": str(layer)}
        if claim.rewrite is None or claim.refusals:
            yield Weights(
                **common,
                rewrite=None if claim.name == NONE_APPLIES else claim.name,
                params=Sides(layer.parameter_count(), None),
                weights=Sides(own, None),
                one_to_one=False,
                transplant={},
                reason="; ".join(claim.refusals),
            )
            continue
        way = claim.transplant()
        other = way.shapes()
        yield Weights(
            **common,
            rewrite=claim.name,
            params=Sides(layer.parameter_count(), parameter_count(other)),
            weights=Sides(own, other),
            one_to_one=way.one_to_one(),
            transplant=way.describe(),
        )
