"""Layers that merge, split or move axes, backwards: Flatten, Unflatten and rearrange."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from convcheck.calculator.inverse.known_dims import Form, Forms, merged_axes
from convcheck.calculator.inverse.ranges import ANY, Lengths, divided, factors, holds, only, scaled, values
from convcheck.calculator.inverse.windowed import Box, CoupledError, NoInputError, inputs_of, nonempty, say
from convcheck.errors import PatternError, ShapeError, UsageError
from convcheck.layers.kinds.flatten import Flatten, Unflatten
from convcheck.layers.kinds.rearrange import Rearrange
from convcheck.sizes.patterns import Group, Pattern

_MOST_AXES = 64


@inputs_of.register
def _(layer: Flatten, box: Box, before: Forms | None) -> list[Box]:
    if before is None:
        raise UsageError(
            f"{layer} merges axes, and how many is not told by the output; put the layer that makes its input before it"
        )
    found: dict[Box, None] = {}
    reasons = []
    for form in before:
        merged = merged_axes(layer, len(form))
        if merged is None or len(form) - (merged[1] - merged[0]) != len(box):
            continue
        start, end = merged
        kept = zip((*form[:start], *form[end + 1 :]), (*box[:start], *box[start + 1 :]), strict=True)
        split = [*_split(box[start], form[start : end + 1])]
        if not split:
            reasons.append(_indivisible(box[start], form[start : end + 1]))
        elif all(length is None or holds(lengths, length) for length, lengths in kept):
            found |= dict.fromkeys((*box[:start], *lengths, *box[start + 1 :]) for lengths in split)
        else:
            reasons.append(f"Flatten leaves other axes of {', '.join(map(say, box))} than its input has")
    if not found:
        raise NoInputError((*reasons, f"{layer.kind} gives no output of {len(box)} axes here")[0])
    return list(found)


def _split(merged: Lengths, axes: Form) -> Iterator[Box]:
    """Yield the lengths of the axes that were merged into one; `axes` has those that are known."""
    if len(axes) == 1 and axes[0] is None:
        yield (merged,)
    elif merged is ANY:
        raise CoupledError
    else:
        for product in values(merged):
            yield from (tuple(map(only, row)) for row in factors(product, axes))


def _indivisible(merged: Lengths, axes: Form) -> str:
    """Say which merged lengths there can be."""
    known = [length for length in axes if length is not None]
    told = math.prod(known)
    if len(known) == len(axes):
        return f"Flatten gives {told} values here, not {say(merged)}"
    asked = merged[0][0] if merged else 0
    near = f"{asked // told * told} or " if asked > told else ""
    return f"Flatten gives multiples of {told} here, such as {near}{-(-asked // told) * told}, not {say(merged)}"


@inputs_of.register
def _(layer: Unflatten, box: Box, _before: Forms | None) -> list[Box]:
    sizes = layer.unflattened_size
    rank = len(box) - len(sizes) + 1
    if not -rank <= layer.dim < rank:
        raise NoInputError(f"{layer.kind} gives more axes than {len(box)}")
    start = layer.dim % rank
    split = box[start : start + len(sizes)]
    if not all(size == -1 or holds(lengths, size) for size, lengths in zip(sizes, split, strict=True)):
        raise NoInputError(f"{layer.kind} gives {list(sizes)} from axis {start} on, not {', '.join(map(say, split))}")
    left = [lengths for size, lengths in zip(sizes, split, strict=True) if size == -1]
    merged = scaled(left[0], layer.told) if left else only(layer.told)
    nonempty(layer, (f"axis {start}",), split[:1], (merged,))
    return [(*box[:start], merged, *box[start + len(sizes) :])]


@inputs_of.register
def _(layer: Rearrange, box: Box, before: Forms | None) -> list[Box]:
    patterns = list(_patterns(layer, len(box), before))
    if before is None and len(patterns) > 1:
        raise UsageError(f"{layer} merges axes, and how many is not told; put the layer that makes its input before it")
    found: list[Box] = []
    for pattern in patterns:
        known = dict(layer.lengths)
        rows = [list(_ungrouped(group, lengths, known)) for group, lengths in zip(pattern.target, box, strict=True)]
        for each in itertools.product(*rows):
            axes = {axis: lengths for row in each for axis, lengths in row.items()}
            whole = tuple(_grouped(group, axes, known) for group in pattern.source)
            found += [] if () in whole else [whole]
    if not found:
        raise NoInputError(f"{layer} gives no such output: {', '.join(map(say, box))}")
    return found


def _patterns(layer: Rearrange, rank: int, before: Forms | None) -> Iterator[Pattern]:
    """Yield the pattern for every number of axes that the input may have, if the output has `rank`."""
    ranks: Sequence[int] = range(_MOST_AXES + 1) if before is None else sorted({len(form) for form in before})
    for each in ranks:
        try:
            pattern = layer.for_rank(each)
        except (PatternError, ShapeError):
            continue
        # einops cannot take apart a group of several lengths that are not known.
        if len(pattern.target) == rank and all(len(set(g) - {n for n, _ in layer.lengths}) < 2 for g in pattern.source):
            yield pattern


def _ungrouped(group: Group, merged: Lengths, known: dict[str, int]) -> Iterator[dict[str, Lengths]]:
    """Yield the lengths of the axes in a group of the output that are not known."""
    told = math.prod(known[axis] for axis in group if axis in known)
    names = [axis for axis in group if axis not in known]
    if not names:
        yield from ({},) if holds(merged, told) else ()
    elif len(names) == 1:
        yield {names[0]: divided(merged, told)}
    elif merged is ANY:
        raise CoupledError
    else:
        for product in values(divided(merged, told) or ()):
            for row in factors(product, (None,) * len(names)):
                yield dict(zip(names, map(only, row), strict=True))


def _grouped(group: Group, axes: dict[str, Lengths], known: dict[str, int]) -> Lengths:
    """Return the lengths of a group of the input, in which one axis at most is not known."""
    told = math.prod(known[axis] for axis in group if axis in known)
    names = [axis for axis in group if axis not in known]
    return scaled(axes[names[0]], told) if names else only(told)
