"""A move of all entries of a tensor as an einops pattern: `b c (h p) (w q) -> b (h w) (p q c)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from convcheck.models.moves import Moves
from convcheck.models.ways import Record, Way
from convcheck.sizes.patterns import Pattern, Shape


class _Digit(NamedTuple):
    """Places along one axis of the source, or part of them, and how far apart they stand in the flat target."""

    length: int
    stride: int


SPACE = (("t", "r"), ("h", "p"), ("w", "q"))
"""Names of places and of what a patch takes there: the last two in an image, and the middle one in a row."""


class Moved(NamedTuple):
    """Patches that are cut out of a tensor, or laid back into one: an einops pattern, lengths, and by which way."""

    pattern: Pattern
    lengths: dict[str, int]
    """Those that the pattern needs."""
    way: Way


def cut_before(moves: Moves, tensor: Tensor, features: int) -> Moved | None:
    """Return how a tensor of a run was cut into patches, of the earliest tensor that it has all of; None if not."""
    with moves.aside():
        for way, index in moves.ways_to(tensor):
            if (found := pattern_of(index, way.root.shape, features % tensor.dim())) is not None:
                pattern, sizes = found
                return Moved(pattern, pattern.needed(sizes), way)
    return None


def laid_behind(moves: Moves, record: Record, features: int) -> Moved | None:
    """Return how what a layer returned was laid back into whole patches, in the first tensor that is that; None if not.

    `features` is the axis of the layer's output that it makes.
    """
    with moves.aside():
        for way, index in moves.ways_from(record):
            order = torch.zeros(index.numel() + 1, dtype=torch.int64)
            order[index.flatten()] = torch.arange(1, index.numel() + 1)
            order = order[1:].reshape(record.shape)
            if (found := pattern_of(order, way.result.shape, features % len(record.shape))) is not None:
                pattern, sizes = found
                back = Pattern(pattern.target, pattern.source)
                return Moved(back, back.needed(sizes), way)
    return None


def pattern_of(index: Tensor, shape: Shape, features: int) -> tuple[Pattern, dict[str, int]] | None:
    """Return the pattern that moves a tensor of `shape` as `index` says, and the lengths of all axes.

    `index` has 1 more than the flat place in the source for every entry of the target. `features` is the axis of the
    target that a layer sums over. None where it is no move of all entries by axes, or does not cut patches: axes of the
    source, apart from the first, of which a patch takes a part and there are several patches.
    """
    target = tuple(index.shape)
    count = index.numel()
    if count != _size(shape) or not count:
        return None
    there = index.new_full((count + 1,), -1)
    there[index.flatten()] = torch.arange(count)
    if bool((there[1:] < 0).any()):
        return None
    places = there[1:].reshape(shape)
    strides = [_size(target[axis + 1 :]) for axis in range(len(target))]
    axes: list[list[_Digit]] = []
    for axis in range(len(shape)):
        line = places[tuple(slice(None) if other == axis else 0 for other in range(len(shape)))]
        digits = _digits((line - line[0]).tolist(), strides)
        if digits is None:
            return None
        axes.append(digits)
    inside = range(strides[features], strides[features] * target[features])
    names = _names(axes, inside)
    if names is None:
        return None
    groups = _grouped(axes, names, target, strides)
    if groups is None:
        return None
    if shape[0] == 1:
        # A batch of one has no place in the index; it is the first axis, or stands in front in it.
        names[0], groups[0] = ["b"], ["b", *groups[0]]
    parts = [part for row, digits in zip(names, axes, strict=True) for part in zip(row, digits, strict=False)]
    sizes = {"b": 1} | {name: digit.length for name, digit in parts}
    return Pattern(tuple(map(tuple, names)), tuple(map(tuple, groups))), sizes


def _size(shape: Sequence[int]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product


def _digits(line: list[int], strides: Sequence[int]) -> list[_Digit] | None:
    """Return how an axis of the source is made of parts, the outermost first, none of which crosses axes of the target.

    `line` has the place in the flat target for every place along the axis, and 0 for the first.
    """
    digits: list[_Digit] = []
    while len(line) > 1:
        step = line[1]
        run = next((number for number, place in enumerate(line) if place != step * number), len(line))
        bounds = [bound // step for bound in strides if step > 0 and step < bound < step * run and bound % step == 0]
        run = min([run, *bounds])
        if step <= 0 or len(line) % run:
            return None
        if any(place != line[number - number % run] + line[number % run] for number, place in enumerate(line)):
            return None
        digits.insert(0, _Digit(run, step))
        line = line[::run]
    return digits


def _names(axes: Sequence[Sequence[_Digit]], inside: range) -> list[list[str]] | None:
    """Name the parts of every axis; None where no axis but the batch is cut into patches."""
    batch, channels = _counted("b"), _counted("c")
    names: list[list[str]] = []
    cuts = 0
    for axis, digits in enumerate(axes):
        row: list[str] = []
        number = 0
        while number < len(digits):
            pair = digits[number : number + 2]
            takes = [digit.stride in inside for digit in pair]
            if takes == [False, True] and axis:
                row += (f"n{cuts}", f"k{cuts}")
                cuts, number = cuts + 1, number + 2
            else:
                row.append(next(channels if takes[0] else batch))
                number += 1
        names.append(row)
    if not 1 <= cuts <= len(SPACE):
        return None
    spelt = dict(enumerate(SPACE[{1: 1, 2: 1, 3: 0}[cuts] :]))
    letters = {f"{letter}{cut}": name for cut, pair in spelt.items() for letter, name in zip("nk", pair, strict=True)}
    return [[letters.get(name, name) for name in row] for row in names]


def _counted(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}{number}" for number in range(1, 100))


def _grouped(
    axes: Sequence[Sequence[_Digit]], names: Sequence[Sequence[str]], target: Shape, strides: Sequence[int]
) -> list[list[str]] | None:
    """Return the parts in the order of the target, by its axes; None where they do not fill these."""
    parts = sorted(
        (
            (digit, name)
            for digits, row in zip(axes, names, strict=True)
            for digit, name in zip(digits, row, strict=False)
        ),
        key=lambda part: -part[0].stride,
    )
    groups: list[list[str]] = []
    for length, stride in zip(target, strides, strict=True):
        group = [part for part in parts if stride <= part[0].stride < stride * length]
        steps = [*accumulate((digit.length for digit, _ in reversed(group)), lambda a, b: a * b, initial=stride)]
        if [digit.stride for digit, _ in reversed(group)] != steps[:-1] or steps[-1] != stride * length:
            return None
        groups.append([name for _, name in group])
    return groups if sum(map(len, groups)) == len(parts) else None
