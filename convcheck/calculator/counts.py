"""Parameters of layers and of their rewrites: cases to values, without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from convcheck.calculator.figures import BYTES
from convcheck.calculator.side_weights import Parameter, Weights
from convcheck.catalogue.claims import NONE_APPLIES, Claim
from convcheck.layers import Layer
from convcheck.layers.initialisation import Init, fans, uniform_by_fan_in
from convcheck.results import Sides
from convcheck.rewriting.rewrite import parameter_count
from convcheck.rewriting.transplant import Transplant
from convcheck.sizes.patterns import Shape

Inits = Mapping[str, Init | None]


def weights_of(claims: Iterable[Claim]) -> Iterator[Weights]:
    """Yield parameter counts, weight shapes and initialisations of both sides of every claim."""
    for claim in claims:
        layer = claim.case.layer
        if claim.rewrite is None or claim.refusals:
            rewrite = None if claim.name == NONE_APPLIES else claim.name
            yield _alone(layer, claim.case.name, rewrite, claim.refusals)
            continue
        weights, inits = layer.parameters(), layer.initial_values()
        way = claim.transplant()
        other = way.shapes()
        # What stands in a class of the rewrite's own is filled by whoever copies it.
        bare = claim.rewrite.makes_parameters()
        filled = {name for name in other if "." in name or not bare}
        other_inits = uniform_by_fan_in({name: shape for name, shape in other.items() if name in filled})
        yield Weights(
            case=claim.case.name,
            layer=str(layer),
            rewrite=claim.name,
            params=Sides(layer.parameter_count(), parameter_count(other)),
            weights=Sides(weights, other),
            one_to_one=way.one_to_one(),
            transplant=way.describe(),
            bytes=Sides(_bytes(weights), _bytes(other)),
            parameters=Sides(_parameters(weights, inits), _parameters(other, other_inits)),
            same_start=_same_start(way, inits, other_inits),
        )


def alone(layers: Sequence[Layer], names: Sequence[str | None]) -> list[Weights]:
    """Return the parameters of layers by themselves, of chains one by one; names are those in a print, or None."""
    return [
        _alone(leaf, name or leaf.label(), None)
        for layer, name in zip(layers, names, strict=True)
        for leaf in layer.leaves()
    ]


def _alone(layer: Layer, case: str, rewrite: str | None, reasons: tuple[str, ...] = ()) -> Weights:
    weights = layer.parameters()
    return Weights(
        case=case,
        layer=str(layer),
        rewrite=rewrite,
        params=Sides(layer.parameter_count(), None),
        weights=Sides(weights, None),
        one_to_one=False,
        transplant={},
        reasons=reasons,
        bytes=Sides(_bytes(weights), None),
        parameters=Sides(_parameters(weights, layer.initial_values()), None),
    )


def _bytes(shapes: Mapping[str, Shape]) -> dict[str, int]:
    return {dtype: parameter_count(shapes) * size for dtype, size in BYTES.items()}


def _parameters(shapes: Mapping[str, Shape], inits: Inits) -> tuple[Parameter, ...]:
    return tuple(_parameter(name, shape, inits.get(name)) for name, shape in shapes.items())


def _parameter(name: str, shape: Shape, init: Init | None) -> Parameter:
    # A bias has none, even where a rewrite keeps it in two axes.
    fan_in, fan_out = (None, None) if "bias" in name.rpartition(".")[2] else fans(shape) or (None, None)
    kind, bound, std = (init.kind, init.bound, init.std) if init else (None, None, None)
    return Parameter(name, shape, math.prod(shape), fan_in, fan_out, kind, bound, std)


def _same_start(way: Transplant, ours: Mapping[str, Init], theirs: Mapping[str, Init]) -> bool | None:
    """Tell whether the reference's weights, moved over, are distributed as the candidate's own.

    Every value is drawn by itself, so where each moves to one place, it is enough that the distributions are the same.
    """
    if not ours or not way.moves or any(move.target not in theirs for move in way.moves):
        return None
    return way.one_to_one() and all(ours.get(move.sources[0]) == theirs[move.target] for move in way.moves)
