"""Claims of the catalogue at its examples, proved for all sizes."""

from __future__ import annotations

from convcheck.all_sizes.both import Both
from convcheck.all_sizes.proof import prove
from convcheck.catalogue.catalogue import find
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers.text.parse import parse_layer
from convcheck.proof.build_pair import build_pair
from convcheck.results import Sides, SizesProof
from convcheck.sizes.patterns import Shape

SECONDS = 60


def proof_of(rewrite: str, layer: str | None = None, shape: Shape | None = None) -> SizesProof:
    """Return what is proved of a rewrite, of its example or another layer."""
    found = find(rewrite)
    parsed = parse_layer(layer or found.example)
    shapes = (
        (shape,) if shape is not None else (found.example_inputs if layer is None else None) or parsed.example_inputs()
    )
    pair = build_pair(Claim(Case(name=rewrite, layer=parsed, inputs=shapes), rewrite, found, ()))
    both = Both(Sides(pair.reference, pair.candidate), pair.mapping)
    names = [parsed.axes(len(shape), "i") for shape in shapes]
    return prove(both, names, SECONDS, {"layer": str(parsed), "rewrite": rewrite})
