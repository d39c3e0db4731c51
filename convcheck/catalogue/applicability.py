"""Facts about every rewrite, and the rewrites that hold for one layer. Imports no torch."""

from __future__ import annotations

from convcheck.catalogue.catalogue import catalogue, find
from convcheck.catalogue.facts import Offer, RewriteFacts, TakeAway
from convcheck.layers import Layer, parse_layer, write_shapes
from convcheck.rewriting.transplant import Move
from convcheck.sizes.patterns import Group, Shapes


def facts(name: str, *, code: bool = True) -> RewriteFacts:
    """Return one rewrite in words, and as code if that is wanted. Raises UsageError if there is none of this name."""
    rewrite = find(name)
    example = parse_layer(rewrite.example)
    order = rewrite.spelt_order(example.dims) if rewrite.order else None
    shapes = rewrite.example_inputs or example.example_inputs()
    moves = rewrite.transplant(example, shapes).moves
    return RewriteFacts(
        name=name,
        claim=rewrite.claim,
        summary=rewrite.summary,
        reference=rewrite.reference,
        holds_when=rewrite.holds_when,
        formula=rewrite.formula,
        derivation=rewrite.derivation,
        source=rewrite.source,
        one_to_one=not rewrite.training,
        training=rewrite.training,
        order=order,
        example=f"{example} {write_shapes(shapes)}",
        weights=tuple(
            f"{move.target}: {move.sources[0]} {move}" if isinstance(move, Move) else f"{move.target}: {move}"
            for move in moves
        ),
        code=rewrite.code(example, shapes) if code else "",
    )


def take_away(name: str, layer: Layer, shapes: Shapes, order: Group | None = None) -> TakeAway:
    """Return the code of a rewrite for `layer` on inputs of `shapes`. Raises UsageError if there is none of this name.

    `order` is that of the axes within a patch; the usual one if it is left out.
    """
    rewrite = find(name)
    refused = rewrite.refuse(layer, shapes) or rewrite.refuse_order(layer, order)
    code = None if refused else rewrite.code(layer, shapes, order)
    return TakeAway(name, str(layer), shapes, not refused, tuple(map(str, refused)), code)


def offers(layer: Layer, shapes: Shapes) -> list[Offer]:
    """Return for every rewrite whether it holds for `layer` on inputs of `shapes`, those that hold first."""
    rows = []
    for name, rewrite in catalogue().items():
        refusals = rewrite.refuse(layer, shapes)
        fits = not any(refusal.field == "layer" for refusal in refusals)
        brief = "; ".join(refusal.brief for refusal in refusals) or rewrite.summary
        rows.append(Offer(name, not refusals, fits, brief, tuple(map(str, refusals)) or (rewrite.claim,)))
    return sorted(rows, key=lambda offer: (not offer.holds, not offer.fits))
