"""What the catalogue says of itself, and what it has for one layer. Imports no torch."""

from __future__ import annotations

from convcheck.catalogue import catalogue, find
from convcheck.layers import Layer, parse_layer
from convcheck.patterns import Shape
from convcheck.results import Offer, RewriteFacts


def facts(name: str, *, code: bool = True) -> RewriteFacts:
    """Return one rewrite in words, and as code if that is wanted. Raises UsageError if there is none of this name."""
    rewrite = find(name)
    example = parse_layer(rewrite.example)
    order = rewrite.spelt_order(example.dims) if rewrite.order else None
    shape = rewrite.example_input or example.typical_input()
    moves = rewrite.transplant(example, shape).moves
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
        example=f"{example} -i {','.join(map(str, shape))}",
        weights=tuple(f"{move.target}: {move.source} {move}" for move in moves),
        code=rewrite.code(example, shape) if code else "",
    )


def offers(layer: Layer, shape: Shape) -> list[Offer]:
    """Return for every rewrite whether it holds for `layer` on an input of `shape`, those that hold first."""
    found = []
    for name, rewrite in catalogue().items():
        reasons = tuple(str(refusal) for refusal in rewrite.refuse(layer, shape))
        found.append(Offer(name, not reasons, reasons or (rewrite.claim,)))
    return sorted(found, key=lambda offer: not offer.holds)
