"""Estimates the memory of a proof before anything is allocated. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable

from convcheck.catalogue.claims import Claim
from convcheck.errors import UsageError
from convcheck.layers import Layer, Sequential
from convcheck.rewriting.rewrite import parameter_count
from convcheck.sizes.limits import MAX_BYTES

_FLOAT64 = 8

# How many tensors of each size are alive at the peak: parameters and inputs in a probe's backward pass, with gradients
# on both sides and torch's im2col buffers; outputs in the comparison with the bound.
_PARAMETERS, _TRANSPLANTED, _INPUTS, _OUTPUTS, _COLUMNS = 3, 2, 5, 11, 2

_MERGED = 2
"""Weights are merged without groups: once, and once more for the gradient."""


def needed(claim: Claim) -> int:
    """Return the approximate number of bytes that the proof of a claim takes at its peak."""
    layer, shapes = claim.case.layer, claim.case.inputs
    parameters = layer.parameter_count()
    transplanted = parameters
    merged = 0
    if claim.rewrite is not None and not claim.refusals:
        way = claim.transplant()
        transplanted = parameter_count(way.shapes())
        merged = _dense(layer) if way.merges() else 0
    values = (
        _PARAMETERS * parameters
        + _TRANSPLANTED * transplanted
        + _MERGED * merged
        + _INPUTS * sum(map(math.prod, shapes))
        + _OUTPUTS * math.prod(layer.output_shape(*shapes))
        + _COLUMNS * layer.im2col_size(*shapes)
    )
    return _FLOAT64 * values


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
    sizes = [(claim, needed(claim)) for claim in claims]
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
