"""Faults in how weights move: axes in a wrong order, entries in a wrong place, lost, or counted twice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations, product
from random import Random

from torch import Tensor

from benchmarks import changes
from benchmarks.changes import Change
from benchmarks.fault_kinds import FaultKind
from benchmarks.planting import Fault, in_weights, stages
from convcheck.catalogue.claims import Claim
from convcheck.layers import Layer, MultiheadAttention, Sequential
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.steps import Blocks, EinopsStep, Part, Step, Zeros
from convcheck.rewriting.transplant import Move
from convcheck.sizes.patterns import Group, Pattern, Shape

Found = Iterator[tuple[str, str, Change]]
"""The kind of a fault, its place, and the fault itself as a change of one tensor."""


def faults(claim: Claim, random: Random) -> Iterator[Fault]:
    """Yield faults of every kind that makes sense for one of the candidate's parameters."""
    for move in claim.transplant().moves:
        shapes = stages(move)
        last = len(shapes) - 1
        # In the reference's own layout, unless a parameter is merged or cut from others: then in the candidate's.
        cut = isinstance(move, Move) and any(isinstance(step, Part) for step in move.steps)
        own = last if cut else 0
        found = {own: [*of_layout(claim.case.layer, move, shapes[own]), *of_entries(shapes[own], random)]}
        if isinstance(move, Move):
            for number, step in enumerate(move.steps, start=1):
                found.setdefault(number, []).extend(of_step(step, shapes[number - 1], shapes[number]))
            if own != last:
                found[last] += of_entries(shapes[last], random)
        for stage, planted in found.items():
            for kind, place, change in planted:
                where = f"{move.target} after {stage} of {last} steps: {place}"
                rewrite = in_weights(claim, move.target, stage, change)
                yield Fault(kind, where, rewrite, change, shapes[stage], move.target)


def of_layout(layer: Layer, move: ParameterMove, shape: Shape) -> Found:
    """Yield faults that know what the axes of a weight, or of a bias, are."""
    groups, bias = _groups(layer), "bias" in move.target.rpartition(".")[2]
    axis = len(shape) - 1 if bias else 0
    if groups > 1:
        yield FaultKind.GROUPS, "by one group", partial(changes.rolled, axis=axis, by=shape[axis] // groups)
    if bias:
        yield FaultKind.BIAS_OUT, "all of it", partial(changes.times, factor=0.0)
        yield FaultKind.BIAS_TWICE, "all of it", partial(changes.times, factor=2.0)
        return
    kernel = range(2, len(shape))
    for a, b in combinations(kernel, 2):
        if shape[a] == shape[b] > 1:
            yield FaultKind.PATCH_AXES, f"axes {a} and {b}", partial(changes.swapped, axes=(a, b))
    for axis in kernel:
        if shape[axis] > 1:
            yield FaultKind.FLIP, f"axis {axis}", partial(changes.flipped, axis=axis)
    if shape[1] > 1 and math.prod(shape[2:]) > 1:
        yield FaultKind.CHANNELS, "the patch before the channels", _patch_first
    if groups == 1 and shape[0] == shape[1] > 1:
        yield FaultKind.IN_OUT, "all of it", partial(changes.swapped, axes=(0, 1))
    # Of a weight without a kernel, an input channel is what a tap is otherwise.
    taps = list(product(*map(range, shape[2:] or shape[1:])))
    for tap in taps if len(taps) > 1 else []:
        for kind, factor in ((FaultKind.TAP_OUT, 0.0), (FaultKind.TAP_TWICE, 2.0)):
            yield kind, f"tap {tap}", partial(changes.scaled_at, at=(..., *tap), factor=factor)


def of_entries(shape: Shape, random: Random) -> Found:
    """Yield faults of one entry, and of two."""
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


def of_step(step: Step, before: Shape, after: Shape) -> Found:
    """Yield faults in a step, each as a change of what the step makes."""
    if isinstance(step, EinopsStep):
        yield from of_pattern(step, before, after)
    if isinstance(step, Zeros) and step.operation.name == "pad":
        front, behind = step.operation.numbers
        for by in (1, -1):
            if behind - by >= 0 and front + by >= 0:
                wrong = replace(step, operation=step.operation._replace(numbers=(front + by, behind - by)))
                yield FaultKind.OFF_BY_ONE, f"{wrong}", _replaced(step, wrong, before)
    if isinstance(step, Blocks):
        # Dense rows whose blocks all stand one block further.
        yield FaultKind.GROUPS, "blocks beside the diagonal", partial(changes.rolled, axis=1, by=before[1])


def of_pattern(step: EinopsStep, before: Shape, after: Shape) -> Found:
    """Yield an einops pattern with two axes swapped on a side, or channels on the wrong side of a patch."""
    sizes = step.pattern.sizes(before, step.known)
    for kind, target in _wrong_orders(step.pattern, sizes):
        wrong = EinopsStep(Pattern(step.pattern.source, target), sizes)
        if wrong.shape(before) == after:
            yield kind, f"as '{wrong}'", _replaced(step, wrong, before)


def _wrong_orders(pattern: Pattern, sizes: dict[str, int]) -> Iterator[tuple[str, tuple[Group, ...]]]:
    axes = [axis for group in pattern.target for axis in group if sizes[axis] > 1]
    for a, b in combinations(axes, 2):
        other = {a: b, b: a}
        swapped = tuple(tuple(other.get(axis, axis) for axis in group) for group in pattern.target)
        if {a, b} <= set(pattern.repeated):
            continue  # along both, all copies are alike
        if {a, b} & set(pattern.repeated):
            yield FaultKind.BIAS_TILED, swapped
        elif "g" in (a, b):
            yield FaultKind.GROUPS, swapped
        elif {a, b} == {"i", "o"}:
            yield FaultKind.IN_OUT, swapped
        else:
            yield (FaultKind.CHANNELS if {a, b} & {"i", "o"} else FaultKind.PATCH_AXES), swapped
    for number, group in enumerate(pattern.target):
        if len(group) > 2 and not pattern.repeated:
            turned = (*group[1:], group[0])
            yield FaultKind.CHANNELS, (*pattern.target[:number], turned, *pattern.target[number + 1 :])


def _replaced(right: Step, wrong: Step, shape: Shape) -> Change:
    """Return the change that makes of a step's result what another step would have made of the same tensor."""
    return lambda tensor: wrong.forward(right.extract(tensor, shape))


def _patch_first(weight: Tensor) -> Tensor:
    """Read `[o, i, *k]` as if it were laid out as `[o, *k, i]`."""
    return weight.movedim(1, -1).reshape(weight.shape)


def _groups(layer: Layer) -> int:
    """Return into how many independent parts the channels are cut; heads are such parts, too."""
    if isinstance(layer, MultiheadAttention):
        return layer.num_heads
    if isinstance(layer, Sequential):
        return int(getattr(layer.layers[-1], "groups", 1))
    return int(getattr(layer, "groups", 1))
