"""What was predicted from numbers alone, held against the real modules; and the way of the weights back."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from convcheck.proof.evidence.pair import Pair
from convcheck.results import Result, Sides
from convcheck.rewriting.steps import NoWayBackError
from convcheck.rewriting.transplant import Parameters
from convcheck.sizes.patterns import Shape


def layout_faults(pair: Pair) -> Iterator[str]:
    """Yield where the transplanted parameters are not those that the candidate has."""
    has = {name: tuple(p.shape) for name, p in pair.candidate.named_parameters()}
    gets = pair.transplant.shapes()
    for name in has.keys() - gets.keys():
        yield f"nothing is transplanted to {name}"
    for name, shape in gets.items():
        if name not in has:
            yield f"the candidate has no parameter {name}"
        elif shape != has[name]:
            pattern = pair.transplant.describe()[name]
            yield f"'{pattern}' makes {name} {list(shape)}, and the candidate's is {list(has[name])}"


def round_trip_faults(pair: Pair, parameters: Parameters) -> Iterator[str]:
    """Yield parameters that do not come back bit for bit through the transplant and its inverse.

    What is merged on the way has no inverse, and the result says so.
    """
    if pair.transplant.merges():
        return
    try:
        back = pair.transplant.backward(pair.transplant.forward(parameters))
    except NoWayBackError as error:
        yield f"the transplant has no way back: {error}"
        return
    for name, parameter in parameters.items():
        if name not in back:
            yield f"{name} is not transplanted at all"
        elif not torch.equal(back[name], parameter):
            yield f"{name} does not come back from the candidate as it was"


def faults(pair: Pair, known: Result, shapes: Sides[Shape | None]) -> Iterator[str]:
    """Yield where the real modules and outputs are not what was known from numbers alone."""
    for side, module in (("reference", pair.reference), ("candidate", pair.candidate)):
        predicted, real = known.output_shape.reference, getattr(shapes, side)
        if real != predicted:
            yield f"the {side}'s output should be {list(predicted or ())}, and is {list(real or ())}"
        count, counted = getattr(known.params, side), sum(p.numel() for p in module.parameters())
        if counted != count:
            yield f"the {side} should have {count} parameters, and has {counted}"
    yield from round_trip_faults(pair, dict(pair.reference.named_parameters()))
