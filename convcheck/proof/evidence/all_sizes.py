"""Asks for a proof for all sizes, and holds it against what probes found at the sizes at hand.

The verdict stays that of the sizes at hand. Where a proof and a probe say opposite things of the same sizes, one of
them is wrong, and which one is not for the program to guess.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch

from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import Layer
from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence import stand_in
from convcheck.results import Agreement, Finding, Kind, Sides, SizesProof, SizesStatus
from convcheck.rewriting.candidate_side import candidate_side
from convcheck.rewriting.transplant import Transplant
from convcheck.sides.side import Side
from convcheck.sizes.patterns import Shapes

_AGREEMENT = {SizesStatus.PROVED: Agreement.IDENTICAL, SizesStatus.REFUTED: Agreement.DIFFERENT}


def examine(context: Context) -> Evidence:
    """Prove or refute the claim for all sizes, in the time that the case gives it."""
    case = context.case
    if not case.all_sizes:
        return Evidence(Agreement.NOT_APPLICABLE)
    # It needs a library that is not everywhere.
    from convcheck.all_sizes import proof
    from convcheck.all_sizes.both import Both

    pair = context.pair
    start = time.perf_counter()
    sides = Sides(_counted(case, pair.reference), pair.candidate)
    both = Both(sides, pair.mapping, remake(context.claim, pair.mapping), getattr(torch, case.dtype))
    sizes = proof.prove(both, axis_names(case), case.proof_seconds, _about(context))
    sizes = replace(sizes, seconds=time.perf_counter() - start)
    if sizes.status is SizesStatus.PROVED and _covers(sizes, sizes_at_hand(context)) and _doubted(context):
        why = "at the sizes at hand both sides are apart in float64, which a proof about real numbers does not explain"
        sizes = SizesProof(SizesStatus.UNKNOWN, obstacle=why, seconds=sizes.seconds)
    contradiction = _contradiction(context, sizes)
    findings = () if contradiction is None else (Finding(Kind.FAULT, contradiction),)
    return Evidence(_AGREEMENT.get(sizes.status, Agreement.NOT_APPLICABLE), findings, details={"sizes": sizes})


def _counted(case: Case, reference: Side) -> Side:
    """Return the reference without the names of its weights' axes if it is code, whose axes have numbers in results."""
    layer = case.layer
    if not layer.IS_USER_CODE:
        return reference
    return replace(reference, parameter_axes={name: Layer.parameter_axes(layer, name) for name in layer.parameters()})


def remake(claim: Claim, mapping: Transplant) -> Callable[[Shapes], Side] | None:
    """Return what makes a rewrite's candidate for other inputs; None for a candidate of the user's own."""
    case, rewrite = claim.case, claim.rewrite
    if case.candidate is not None or rewrite is None:
        return None
    return lambda shapes: candidate_side(rewrite, case.layer, shapes, case.order, mapping)


def _about(context: Context) -> dict[str, str]:
    """Return what a certificate says of the claim, by headings."""
    case = context.case
    if case.candidate is not None:
        return {"reference": str(case.layer), "candidate": str(case.candidate.layer)}
    return {"layer": str(case.layer), "rewrite": context.claim.name}


def axis_names(case: Case) -> tuple[tuple[str, ...], ...]:
    """Return a name for every axis of every input: by its layout, such as `h`, or by its number, such as `input.2`."""
    if len(case.inputs) > 1:
        return tuple(tuple(f"input{n}.{axis}" for axis, _ in enumerate(shape)) for n, shape in enumerate(case.inputs))
    (shape,) = case.inputs
    names = () if case.layer.IS_USER_CODE else case.layer.axes(len(shape), "i")
    return (tuple(names) or tuple(f"input.{axis}" for axis, _ in enumerate(shape)),)


def findings(sizes: SizesProof, case: Case) -> Iterator[Finding]:
    """Yield why it does not hold for all sizes, or is not known to."""
    if (counterexample := sizes.counterexample) is not None:
        where = " ".join(f"{axis}={size}" for axis, size in counterexample.sizes.items())
        place = f", output {list(counterexample.at)}" if counterexample.at else ""
        blamed = "".join(f"; {text} in the layout holds for this size only" for text in _lengths_at_hand(sizes, case))
        text = f"at {where}{place}: {counterexample.reason}{blamed}"
        yield Finding(Kind.SIZES, f"not for all sizes: {text}")
    elif sizes.status is SizesStatus.UNKNOWN:
        yield Finding(Kind.SIZES, f"not proved for all sizes: {sizes.obstacle}")


def _lengths_at_hand(sizes: SizesProof, case: Case) -> Iterator[str]:
    """Yield the lengths in a layout that the reference's output does not have at the counterexample, as `h=4`."""
    layout = None if case.candidate is None else case.candidate.layout
    if layout is None or sizes.counterexample is None or sizes.counterexample.shapes is None:
        return
    lengths = dict(layout.lengths)
    for group, length in zip(layout.pattern.target, sizes.counterexample.shapes.reference, strict=False):
        written = {axis: lengths[axis] for axis in group if axis in lengths}
        if group and len(written) == len(group) and math.prod(written.values()) != length:
            yield " ".join(f"{axis}={known}" for axis, known in written.items())


def _contradiction(context: Context, sizes: SizesProof) -> str | None:
    """Say what a proof and the probes say of the same sizes, if that cannot both be."""
    result, here = context.result, sizes_at_hand(context)
    differs = result.exact.status is Agreement.DIFFERENT
    if sizes.status is SizesStatus.PROVED and _covers(sizes, here) and differs:
        said = "a proof says that both sides are equal here, and a probe that they differ"
    elif (
        sizes.counterexample is not None
        and all(here.get(axis) == size for axis, size in sizes.counterexample.sizes.items())
        and (result.exact.status is Agreement.IDENTICAL or not result.reasons)
    ):
        said = "a proof says that both sides differ here, and the probes that they are equal"
    else:
        return None
    return (
        f"convcheck contradicts itself, which says nothing about the layer: {said}; please report it, with the command "
        "that repeats it and the file that --report certificate=DIR writes"
    )


def _doubted(context: Context) -> bool:
    """Tell whether numbers in float64 differ by more than their bound, where no probe is exact.

    Constants that are rounded before they are used do so, and functions that make no numbers of some.
    """
    result, pair = context.result, context.pair
    if result.exact.status is not Agreement.NOT_APPLICABLE:
        return False
    doubted = any(reason.kind is Kind.ROUNDING for reason in result.reasons)
    # The bound of a black box is an estimate.
    return doubted and pair.black_box is None and bool(stand_in.measure_drawn(pair, context.case).faults)


def _covers(sizes: SizesProof, here: Mapping[str, int]) -> bool:
    """Tell whether a proof is about these sizes; an axis by an unknown name is no way out of a contradiction."""
    return (
        all(here.get(axis, least) >= least for axis, least in sizes.free.items())
        and all(here.get(axis, 0) % factor == 0 for axis, factor in sizes.divisible.items())
        and all(here.get(axis, size) == size for axis, size in sizes.fixed.items())
    )


def sizes_at_hand(context: Context) -> dict[str, int]:
    """Return the sizes of the case's axes, by all the names that a proof may call them."""
    case, layer = context.case, context.case.layer
    first, *others = case.inputs
    here = {f"input.{axis}": size for axis, size in enumerate(first)}
    output = context.result.output_shape.reference
    if not (others or layer.IS_USER_CODE or output is None):
        here |= zip(layer.output_axes(first), output, strict=True)
        # Of an axis that both have, such as `h`, the input's is meant.
        here |= zip(layer.axes(len(first), "i"), first, strict=False)
    return here
