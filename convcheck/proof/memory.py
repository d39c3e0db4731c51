"""Estimates the memory of a proof before anything is allocated. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress

from convcheck.catalogue.claims import Claim
from convcheck.errors import UsageError
from convcheck.layers import Layer, Sequential
from convcheck.rewriting.rewrite import parameter_count
from convcheck.sizes.limits import MAX_BYTES

_BYTES = 11
"""Of a value: the eight of float64, and a share of what allocator and libraries hold beside, as measured."""

# How many tensors of each size are alive at the peak of a phase of the proof.
_PROBE = {"inputs": 4, "parameters": 3, "transplanted": 2, "outputs": 4}
"""In a probe's second backward pass: numbers and gradients of both sides, cotangent, and a rearranged copy."""
_RUN = {"inputs": 4, "parameters": 4, "transplanted": 1, "outputs": 7}
"""In the reference's runs in float64: the sample in both dtypes, its signs as they are made, and what came out."""
_COMPARISON = {"inputs": 2, "parameters": 2, "transplanted": 0, "outputs": 12}
"""In the comparison of the outputs with the bound."""

SLIGHT = 1 << 24
"""Of so few bytes, a tenth of what torch took, the machine is not asked whether it has them."""

_IN_PARTS = 10
"""How many times more a layer takes that is no polynomial, and is probed in parts, as measured."""

_MERGED = 2
"""Weights are merged without groups: once, and once more for the gradient."""


def needed(claim: Claim) -> int:
    """Return the approximate number of bytes that the proof of a claim takes at its peak."""
    layer, shapes = claim.case.layer, claim.case.inputs
    parameters = layer.parameter_count()
    transplanted = parameters
    merged = 0
    columns = intermediates = layer.im2col_size(*shapes)
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

    def held(counts: Mapping[str, int]) -> int:
        return sum(count * sizes[name] for name, count in counts.items())

    probe = held(_PROBE) + _MERGED * merged + intermediates
    whole = _BYTES * max(probe, held(_RUN) + columns, held(_COMPARISON))
    # In parts as many samples are held as there are primes, where there is room for them.
    return (
        whole
        if layer.degree() is not None or layer.IS_USER_CODE
        else max(whole, min(_IN_PARTS * whole, available() // 2))
    )


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
