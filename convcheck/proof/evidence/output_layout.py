"""Finds the layout of the candidate's output that would match the reference's, where both differ in that alone.

Entries of an output are known by their values on a few probes, and the order of axes that takes one output's to the
other's is looked for as for weights: axes of one side may be grouped in the other, in any order. What is found is
proved on new probes before it is suggested.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.config.replacement import Replacement
from convcheck.errors import CannotRunError, PatternError
from convcheck.layers import Layer
from convcheck.proof.build_pair import build_pair
from convcheck.proof.context import Context, Evidence
from convcheck.proof.evidence.agreement import agree
from convcheck.proof.observations import stream
from convcheck.proof.pair import Pair
from convcheck.results import Agreement, Finding, Kind, Sides
from convcheck.rewriting.arrangements import arrange
from convcheck.rewriting.steps import EinopsStep
from convcheck.rewriting.user_candidate import as_rewrite
from convcheck.sizes.patterns import SPACE_AXES, Group, Pattern, Shape, Shapes
from convcheck.sizes.relayouts import Rearrangement

_SPACE = frozenset(axis for axes in SPACE_AXES.values() for axis in axes)

PROBES = 3
GRID = 2.0**24
"""Into how many steps the largest output is divided: rounding in float64 moves hardly any value to the next one."""

# Odd, so that no bit of a signature is lost.
_MULTIPLIER = 0x9E3779B97F4A7C15 - 2**64


def examine(context: Context) -> Evidence:
    """Suggest a layout of the output where outputs differ, and one was found that matches."""
    own = context.case.candidate
    differs = context.result.exact.status is Agreement.DIFFERENT or any(
        reason.kind is Kind.ROUNDING for reason in context.result.reasons
    )
    if own is None or not differs:
        return Evidence(Agreement.NOT_APPLICABLE)
    try:
        pair = context.pair if own.layout is None else build_pair(laid_out(context.claim, own, None))
        for layout in _layouts(pair, own, context.case):
            if layout == own.layout or (own.layout is None and layout.pattern.source == layout.pattern.target):
                continue
            if layout == own.solved_layout or is_proved(laid_out(context.claim, own, layout)):
                given = "was left as it is" if own.layout is None else f"was laid out as '{own.layout}'"
                text = f"the output {given}, and '{layout}' matches"
                details = {"suggestion": str(layout), "suggested_layout": str(layout)}
                return Evidence(Agreement.DIFFERENT, (Finding(Kind.LAYOUT, text),), details=details)
        shapes = Sides(context.pair.reference.output_shape, context.pair.candidate.output_shape)
        if shapes.reference != shapes.candidate:
            return Evidence(Agreement.DIFFERENT, (Finding(Kind.DIFFERENCE, unlike(shapes)),))
    except (CannotRunError, PatternError):
        # A candidate that does not even run shows nothing.
        pass
    return Evidence(Agreement.NOT_APPLICABLE)


def laid_out(claim: Claim, own: Replacement, layout: Rearrangement | None) -> Claim:
    """Return the claim with another layout of the candidate's output."""
    changed = replace(own, layout=layout)
    return replace(claim, case=replace(claim.case, candidate=changed), rewrite=as_rewrite(claim.case.layer, changed))


def unlike(shapes: Sides[Shape]) -> str:
    """Say how the shapes of outputs differ, and whether a layout can make one of the other."""
    ours, theirs = shapes.reference, shapes.candidate
    text = f"the outputs are {list(ours)} and {list(theirs)}"
    if math.prod(ours) == math.prod(theirs):
        way = "--layout 'CANDIDATE -> REFERENCE' says how one becomes the other"
        return f"{text}; {way}, as in 'b (h w) o -> b o h w, h=14'"
    pairs = list(enumerate(zip(ours, theirs, strict=False))) if len(ours) == len(theirs) else []
    lengths = "".join(f"; axis {axis} is {one} and {other}" for axis, (one, other) in pairs if one != other)
    values = f"{math.prod(ours):,} values against {math.prod(theirs):,}"
    return f"{text}: {values}, so that no layout makes one of the other{lengths}"


def _layouts(pair: Pair, own: Replacement, case: Case) -> Iterator[Rearrangement]:
    """Yield layouts that take the entries of the candidate's output to their places, not yet proved."""
    if own.solved_layout is not None:
        yield own.solved_layout
    signs = _signatures(pair, case.seed)
    ours, theirs = signs.reference, signs.candidate
    if ours.numel() != theirs.numel():
        return
    names = axis_names(case, own, Sides(ours.dim(), theirs.dim()))
    if pattern := _pattern(names.reference, ours, theirs):
        yield with_lengths(Pattern(pattern.target, pattern.source), tuple(ours.shape), names.reference)
    # The candidate's axes may be the finer ones.
    if pattern := _pattern(names.candidate, theirs, ours):
        yield Rearrangement(pattern)


def axis_names(case: Case, own: Replacement, ranks: Sides[int]) -> Sides[Sequence[str]]:
    """Return names for the axes of both outputs: those of the user's layout, or else those that are known of a side."""
    written = ((), ()) if own.layout is None else (own.layout.pattern.target, own.layout.pattern.source)
    layers, counts = (case.layer, own.layer), (ranks.reference, ranks.candidate)
    return Sides(*map(partial(_names, case.inputs), layers, written, counts))


def _names(inputs: Shapes, layer: Layer, written: Sequence[Group], rank: int) -> Sequence[str]:
    """Return the first names that can tell the axes of an output apart; of the same in two orders, the layer's."""
    users, known = [axis for group in written for axis in group], layer.output_axes(*inputs)
    for names in (known, users) if set(known) == set(users) else (users, known):
        if len(names) == rank == len(set(names)) and all(map(str.isidentifier, names)):
            return names
    return [f"a{number}" for number in range(rank)]


def _pattern(names: Sequence[str], entries: Tensor, places: Tensor) -> Pattern | None:
    groups = [(name,) for name in names]
    steps = arrange(groups, dict(zip(names, entries.shape, strict=True)), (), entries, places)
    if steps is None or len(steps) != 1 or not isinstance(steps[0], EinopsStep):
        return None
    pattern = steps[0].pattern
    units = [name for name, length in zip(names, entries.shape, strict=True) if length == 1 and name in _SPACE]
    return replace(pattern, target=_beside_space(pattern.target, units, names))


def _beside_space(groups: Sequence[Group], units: Sequence[str], names: Sequence[str]) -> tuple[Group, ...]:
    """Return the groups with axes of space of length 1, which fit anywhere, beside other axes of space."""
    moved = [list(group) for group in groups]
    for unit in units:
        home = next((group for group in moved if any(axis in _SPACE and axis != unit for axis in group)), None)
        if home is None:
            continue
        next(group for group in moved if unit in group).remove(unit)
        home.insert(sum(names.index(axis) < names.index(unit) for axis in home), unit)
    return tuple(map(tuple, moved))


def with_lengths(pattern: Pattern, shape: Shape, names: Sequence[str]) -> Rearrangement:
    """Return the pattern with the lengths that its groups leave open: of all axes in one but the last."""
    lengths = dict(zip(names, shape, strict=True))
    return Rearrangement(pattern, tuple((axis, lengths[axis]) for group in pattern.source for axis in group[:-1]))


def _signatures(pair: Pair, seed: int) -> Sides[Tensor]:
    """Return a hash of every output entry on a few probes, int64 of the outputs' shapes."""
    hashes = []
    outputs = []
    for number in range(PROBES):
        sample = pair.balanced(stream(seed, 700_001 + number))
        with torch.no_grad():
            outputs.append(pair.run(sample))
    for side in (0, 1):
        total = torch.zeros(outputs[0][side].shape, dtype=torch.int64)
        for run in outputs:
            step = float(run[0].abs().max()) / GRID or 1.0
            total = total * _MULTIPLIER + (run[side] / step).round().long()
        hashes.append(total)
    return Sides(*hashes)


def is_proved(claim: Claim) -> bool:
    """Tell whether both sides agree."""
    return agree(build_pair(claim), claim.case)
