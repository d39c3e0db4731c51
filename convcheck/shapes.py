"""The shape calculator and the parameter counts: cases to values, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from convcheck.claims import NONE_APPLIES, Claim
from convcheck.config.case import Case
from convcheck.errors import ShapeError
from convcheck.layers import Layer, accept
from convcheck.patterns import Shapes
from convcheck.results import LayerShape, Sides, Weights
from convcheck.rewrite import parameter_count


def shape_of(layer: Layer, shapes: Shapes, case: str | None = None) -> LayerShape:
    """Return what one layer makes of inputs of `shapes`. Raises ShapeError if it cannot take them."""
    return LayerShape(
        case=case,
        layer=str(layer),
        input=shapes[0] if len(shapes) == 1 else shapes,
        output=accept(layer, shapes),
        params=layer.parameter_count(),
        macs=layer.macs(*shapes),
        dropped=layer.dropped(*shapes),
    )


def chain(layers: Sequence[Layer], shapes: Shapes) -> list[LayerShape]:
    """Return the shapes through a chain of layers, each taking what the one before makes.

    Raises:
        ShapeError: a layer cannot take what it gets; the message says which.
    """
    rows: list[LayerShape] = []
    for number, layer in enumerate(layers, start=1):
        try:
            rows.append(shape_of(layer, shapes))
        except ShapeError as error:
            where = f"layer {number}, {layer}: " if len(layers) > 1 else f"{layer}: "
            raise ShapeError(f"{where}{error}") from None
        shapes = (rows[-1].output,)
    return rows


def shapes_of(cases: Iterable[Case]) -> list[LayerShape]:
    """Return the shapes of every case by itself."""
    return [shape_of(case.layer, case.inputs, case.name) for case in cases]


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
