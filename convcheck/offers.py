"""What the catalogue says of itself, and what it has for one layer. Imports no torch."""

from __future__ import annotations

from convcheck.catalogue import catalogue, find
from convcheck.layers import Layer
from convcheck.patterns import spell
from convcheck.results import Offer, RewriteFacts

_SHOWN_DIMS = 2
"""Patterns are shown for two dimensions, which is how most people know them."""


def facts(name: str) -> RewriteFacts:
    """Return one rewrite in words. Raises UsageError if there is none of this name."""
    rewrite = find(name)
    order = rewrite.spelt_order(_SHOWN_DIMS) if rewrite.order else None
    weights = tuple(
        f"{target}: {spell(template.replace('{order}', order or ''), _SHOWN_DIMS)}"
        for target, (_, template) in rewrite.weights.items()
    )
    return RewriteFacts(
        name=name,
        claim=rewrite.claim,
        reference=rewrite.reference,
        holds_when=rewrite.holds_when,
        formula=rewrite.formula,
        source=rewrite.source,
        one_to_one=not rewrite.training,
        training=rewrite.training,
        order=order,
        weights=weights,
        code=rewrite.code(),
    )


def offers(layer: Layer) -> list[Offer]:
    """Return for every rewrite whether it holds for `layer`, those that hold first."""
    found = []
    for name, rewrite in catalogue().items():
        reasons = tuple(str(refusal) for refusal in rewrite.refuse(layer))
        found.append(Offer(name, not reasons, reasons or (rewrite.claim,)))
    return sorted(found, key=lambda offer: not offer.holds)
