"""Compares predicted shapes and counts with the real modules, and moves the weights there and back."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from convcheck.proof.build_pair import weights_of
from convcheck.proof.context import Context, Evidence
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Kind, Sides
from convcheck.rewriting.parameter_move import Parameters
from convcheck.rewriting.rewrite import parameter_count
from convcheck.rewriting.steps import NoWayBackError
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shape


def examine(context: Context) -> Evidence:
    """Compare shapes and counts with the predicted ones, and move the weights there and back."""
    pair, shapes = context.pair, context.result.output_shape
    module = pair.reference.module
    buffers = {name: tensor for name, tensor in module.named_buffers() if name in pair.reference.statistics}
    parameters = {**weights_of(pair.reference, context.case), **buffers}
    texts = [*count_faults(pair, shapes)]
    own = context.case.candidate is not None
    if not own or pair.mapping.one_to_one():
        texts += round_trip_faults(pair, parameters, complete=not own)
    findings = tuple(Finding(Kind.BOOKKEEPING, text) for text in texts)
    return Evidence(Agreement.DIFFERENT if findings else Agreement.IDENTICAL, findings)


def count_faults(pair: Pair, shapes: Sides[Shape | None]) -> Iterator[str]:
    """Yield sentences where the outputs' `shapes` and the parameter counts are not the predicted ones."""
    for name in ("reference", "candidate"):
        side: Side = getattr(pair, name)
        shape = getattr(shapes, name) or ()
        if shape != side.output_shape:
            yield f"the {name}'s output should be {list(side.output_shape)}, and is {list(shape)}"
        predicted = parameter_count(side.parameters)
        count = sum(parameter.numel() for parameter in side.module.parameters())
        if count != predicted:
            yield f"the {name} should have {predicted} parameters, and has {count}"


def round_trip_faults(pair: Pair, parameters: Parameters, *, complete: bool) -> Iterator[str]:
    """Yield sentences on parameters that do not come back bit for bit through the mapping and its inverse.

    Yield none for a mapping that merges parameters: it has no inverse, and the result notes that. One that is not
    `complete`, such as a user's, may leave out what no output depends on.
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
            if complete:
                yield f"{name} is not transplanted at all"
        elif not torch.equal(back[name], parameter):
            yield f"{name} does not come back from the candidate as it was"
