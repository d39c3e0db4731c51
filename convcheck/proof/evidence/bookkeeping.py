"""What was predicted from numbers alone, held against the real modules; and the way of the weights back."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from convcheck.proof.context import Context, Evidence
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Kind, Sides
from convcheck.rewriting.steps import NoWayBackError
from convcheck.rewriting.transplant import Parameters
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape


def examine(context: Context) -> Evidence:
    """Compare shapes and counts with what was predicted, and take the weights there and back."""
    pair, shapes = context.pair, context.result.output_shape
    own = dict(pair.reference.module.named_parameters())
    texts = [*count_faults(pair, shapes), *round_trip_faults(pair, own)]
    findings = tuple(Finding(Kind.BOOKKEEPING, text) for text in texts)
    return Evidence(Agreement.DIFFERENT if findings else Agreement.IDENTICAL, findings)


def count_faults(pair: Pair, shapes: Sides[Shape | None]) -> Iterator[str]:
    """Yield where the outputs' `shapes` and parameter counts are not what was known from numbers alone."""
    for name in ("reference", "candidate"):
        side: Side = getattr(pair, name)
        shape = getattr(shapes, name) or ()
        if shape != side.output_shape:
            yield f"the {name}'s output should be {list(side.output_shape)}, and is {list(shape)}"
        predicted, count = (
            sum(map(math.prod, side.parameters.values())),
            sum(p.numel() for p in side.module.parameters()),
        )
        if count != predicted:
            yield f"the {name} should have {predicted} parameters, and has {count}"


def round_trip_faults(pair: Pair, parameters: Parameters) -> Iterator[str]:
    """Yield parameters that do not come back bit for bit through the mapping and its inverse.

    What is merged on the way has no inverse, and the result says so.
    """
    if pair.mapping.merges():
        return
    try:
        back = pair.mapping.backward(pair.mapping.forward(parameters))
    except NoWayBackError as error:
        yield f"the transplant has no way back: {error}"
        return
    for name, parameter in parameters.items():
        if name not in back:
            yield f"{name} is not transplanted at all"
        elif not torch.equal(back[name], parameter):
            yield f"{name} does not come back from the candidate as it was"
