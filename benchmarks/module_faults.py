"""Faults around a candidate: in what it reads, in what it makes, and modules that compute nothing at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import combinations
from random import Random

import torch
from torch import Tensor

from benchmarks import changes
from benchmarks.fault_kinds import FaultKind
from benchmarks.planting import Fault, around, instead
from convcheck.catalogue.claims import Claim
from convcheck.sizes.patterns import Shape


def faults(claim: Claim, random: Random) -> Iterator[Fault]:
    """Yield faults of the module as a whole; of one without weights also those that else are planted in weights."""
    layer, shapes = claim.case.layer, claim.case.inputs
    for number, shape in enumerate(shapes):
        if number in layer.boolean_inputs():
            continue
        for kind, place, change in [*_moved(shape), *([] if layer.parameters() else _entries(shape, random))]:
            rewrite = around(claim, before={number: change})
            yield Fault(kind, f"input {number}: {place}", rewrite, change, shape, number=number)
    output = layer.output_shape(*shapes)
    for kind, place, change in _moved(output):
        yield Fault(kind, f"output: {place}", around(claim, after=change), change, output)
    yield from nothing_computed(claim)


def nothing_computed(claim: Claim) -> Iterator[Fault]:
    """Yield candidates whose output has the right shape, and nothing else."""
    yield Fault(FaultKind.ZEROS, "new zeros", around(claim, after=torch.zeros_like))
    yield Fault(FaultKind.ZEROS, "the output times 0", around(claim, after=partial(changes.times, factor=0.0)))
    yield Fault(FaultKind.SHAPE_ONLY, "ones", around(claim, after=torch.ones_like))
    yield Fault(FaultKind.SHAPE_ONLY, "the input's own entries", instead(claim, input_in_shape))


def input_in_shape(inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Return the entries of the first input, as often as it takes, in the shape of the output."""
    entries = inputs[0].flatten()
    times = math.ceil(output.numel() / entries.numel())
    return entries.repeat(times)[: output.numel()].reshape(output.shape)


def _moved(shape: Shape) -> Iterator[tuple[str, str, changes.Change]]:
    for axis, length in enumerate(shape):
        if length > 1:
            for by in (1, -1):
                yield FaultKind.OFF_BY_ONE, f"axis {axis} by {by}", partial(changes.shifted, axis=axis, by=by)


def _entries(shape: Shape, random: Random) -> Iterator[tuple[str, str, changes.Change]]:
    """Yield, for an input, what is a fault of weights elsewhere."""
    count = math.prod(shape)
    at = random.randrange(count)
    yield (
        FaultKind.PART_IN_A_MILLION,
        f"entry {at}",
        partial(changes.scaled_entry, at=at, factor=changes.SLIGHTLY),
    )
    if count > 1:
        pair = sorted(random.sample(range(count), 2))
        yield FaultKind.ENTRIES, f"entries {pair[0]} and {pair[1]}", partial(changes.exchanged, pair=pair)
    for axis, length in enumerate(shape):
        if length > 1:
            yield FaultKind.FLIP, f"axis {axis}", partial(changes.flipped, axis=axis)
    for a, b in combinations(range(len(shape)), 2):
        if shape[a] == shape[b] > 1:
            yield FaultKind.IN_OUT, f"axes {a} and {b}", partial(changes.swapped, axes=(a, b))
    for at in range(shape[-1]) if shape[-1] > 1 else ():
        for kind, factor in ((FaultKind.TAP_OUT, 0.0), (FaultKind.TAP_TWICE, 2.0)):
            yield kind, f"[..., {at}]", partial(changes.scaled_at, at=(..., at), factor=factor)
