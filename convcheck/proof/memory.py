"""Estimates the memory of a proof before anything is allocated. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress

from convcheck.catalogue.claims import Claim
from convcheck.errors import UsageError
from convcheck.layers import Layer, Sequential
from convcheck.proof.batch import STRIP, are_many, part_of
from convcheck.rewriting.rewrite import parameter_count
from convcheck.sizes.limits import MAX_BYTES

_BYTES = 11
"""Of a value: the eight of float64, and a share of what allocator and libraries hold beside, as measured."""

# How many tensors of each size are alive at the peak of a phase of the proof.
_PROBE = {"inputs": 4, "parameters": 3, "transplanted": 2, "outputs": 4}
"""In a probe's second backward pass: numbers and gradients of both sides, cotangent, and a rearranged copy."""
_RUN = {"inputs": 4, "parameters": 4, "transplanted": 1, "outputs": 7}
"""In the reference's runs in float64: the sample in both dtypes, its signs as they are made, and what came out."""
_COMPARISON = {"inputs": 2, "parameters": 2, "transplanted": 0, "outputs": 13}
"""In the comparison of the outputs with the bound."""

_WHOLE = {"inputs": 1, "parameters": 1, "transplanted": 1, "outputs": 2}
"""In the run of both sides on the whole batch, where all else is done with a part of it: see `batch`."""

_WIDTHS = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}

SLIGHT = 1 << 24
"""Of so few bytes, a tenth of what torch took, the machine is not asked whether it has them."""

_IN_PARTS = 10
"""How many times more a layer takes that is no polynomial, and is probed in parts, as measured."""

_OF_ENTRIES = ("inputs", "outputs")
"""What there is less of where there are fewer entries of a batch."""

_MERGED = 2
"""Weights are merged without groups: once, and once more for the gradient."""


def needed(claim: Claim) -> int:
    """Return the approximate number of bytes that the proof of a claim takes at its peak."""
    return _needed(claim, part_of(claim))


def met(claim: Claim) -> int:
    """Return about how many bytes a proof meets: what it would need at its peak if no batch were taken in parts."""
    return _needed(claim, None)


def _needed(claim: Claim, part: int | None) -> int:
    layer, shapes = claim.case.layer, claim.case.inputs
    parameters = layer.parameter_count()
    transplanted = parameters
    merged = 0
    columns = layer.im2col_size(*shapes)
    if are_many(columns, sum(map(math.prod, shapes))):
        columns = STRIP
    intermediates = columns
    if claim.rewrite is not None and not claim.refusals:
        # The candidate's own shapes: a transplant that makes others is never run.
        own = claim.case.candidate
        transplanted = parameter_count(claim.usual_transplant().shapes() if own is None else own.layer.parameters())
        # A function of the user's is not run for an estimate.
        by_function = own is not None and (own.map_by is not None or own.lacks_map(layer))
        merged = _dense(layer) if by_function or claim.transplant().merges() else 0
        if claim.rewrite.intermediates is not None:
            intermediates = max(columns, claim.rewrite.intermediates(layer, *shapes))
    sizes = {
        "inputs": sum(map(math.prod, shapes)),
        "parameters": parameters,
        "transplanted": transplanted,
        "outputs": math.prod(layer.output_shape(*shapes)),
    }

    # Of a layer without a batch, the first axis is another one, and all of it is taken.
    batch = shapes[0][0] if shapes[0] else 1
    entries = batch if part is None else part

    def held(counts: Mapping[str, int]) -> int:
        return sum(
            count * (sizes[name] * entries // batch if name in _OF_ENTRIES else sizes[name])
            for name, count in counts.items()
        )

    probe = held(_PROBE) + _MERGED * merged + intermediates * entries // batch
    run = held(_RUN) + columns * entries // batch
    if part is not None:
        beside = sum(count * sizes[name] for name, count in _WHOLE.items())
        # What is drawn is float32 or float64, and stays beside what it is rounded to.
        width = _WIDTHS[claim.case.dtype]
        drawn = 8 if width == 8 else 4
        stays = (drawn + width % drawn) * sizes["inputs"] + 2 * width * sizes["outputs"]
        exact = 8 if _exact_in_float64(claim) else 4
        # What a candidate holds is for both ways, and most of it for float64, which takes its windows apart.
        at_once = max(exact, width) * (beside + (intermediates if exact == 8 else intermediates // 2))
        return max(_BYTES * probe, at_once, stays + _BYTES * max(run, held(_COMPARISON)))
    whole = _BYTES * max(probe, run, held(_COMPARISON))
    # In parts as many samples are held as there are primes, where there is room for them.
    return (
        whole
        if layer.degree() is not None or layer.IS_USER_CODE
        else max(whole, min(_IN_PARTS * whole, available() // 2))
    )


def _exact_in_float64(claim: Claim) -> bool:
    """Tell whether whole numbers are added up in float64 on the whole batch, since float32 would round them."""
    variances = any(statistic.eps is not None for statistic in claim.case.layer.statistics().values())
    return variances or (claim.rewrite is not None and claim.rewrite.transform is not None)


def _dense(layer: Layer) -> int:
    """Return how many values the weights of a chain have without groups."""
    if isinstance(layer, Sequential):
        return sum(map(_dense, layer.layers))
    groups: int = getattr(layer, "groups", 1)
    return groups * layer.parameter_count()


def check_possible(claims: Iterable[Claim]) -> None:
    """Refuse claims whose proof needs more memory than any machine has, before anything that takes time.

    Raises:
        UsageError: with a line for every such claim.
    """
    sizes: list[tuple[Claim, int]] = []
    for claim in claims:
        if claim.case.has_code:
            # It is run where its claim is verified, so that others are reported if it ends the run.
            continue
        # What fails here fails again where the claim is verified, and is reported there.
        with suppress(Exception):
            sizes.append((claim, needed(claim)))
    wrong = [
        f"{claim.id}: the proof needs about {write_bytes(size)} of memory, which no machine has; "
        "fewer channels or a smaller input would do"
        for claim, size in sizes
        if size > MAX_BYTES
    ]
    if wrong:
        raise UsageError("\n".join(wrong))


def available() -> int:
    """Return the bytes of memory that this machine can allocate without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def write_bytes(count: int) -> str:
    """Write a number of bytes with the unit that leaves one to four digits before the point."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} EiB"
