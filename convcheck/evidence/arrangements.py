"""Which order of axes takes one set of signatures to another: a permutation of entries, factored into axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from convcheck.patterns import KERNEL_AXES, Group, Pattern, Shape
from convcheck.steps import Flip, Rearrange, Step

SAMPLE = 64
"""So many entries are looked at before all of them are: nearly every wrong arrangement fails on the first."""


def arrange(source: Sequence[Group], sizes: Mapping[str, int], own: Tensor, other: Tensor) -> tuple[Step, ...] | None:
    """Return the steps that take a tensor with signatures `own` to the places with signatures `other`, if axes do it.

    `source` names the axes of `own`, and `sizes` their lengths, and those of axes along which entries may be copied.
    The arrangement nearest to the given order is taken, and one without a flip before one with.
    """
    atoms = [axis for group in source for axis in group if sizes[axis] > 1]
    new = [axis for axis in sizes if sizes[axis] > 1 and not any(axis in group for group in source)]
    copies = other.numel() // max(1, own.numel())
    if own.numel() * copies != other.numel():
        return None
    if copies == 1:
        new = []
    elif math.prod(sizes[axis] for axis in new) != copies:
        return None
    shape = tuple(other.shape)
    flippable = [axis for axis in atoms if any(axis in kernel for kernel in KERNEL_AXES.values())]
    orders = sorted(itertools.permutations([*atoms, *new]), key=lambda order: _inversions(order, [*atoms, *new]))
    grouped = [(order, groups) for order in orders if (groups := _split(order, sizes, shape)) is not None]
    for flipped in _subsets(flippable):
        turned = _flip(own, source, sizes, flipped)
        for order, groups in grouped:
            if _matches(turned, atoms, order, sizes, other):
                target = _with_units(groups, source, sizes)
                step = Rearrange(Pattern(tuple(source), target), dict(sizes))
                return (*_flip_step(source, flipped, flippable), step)
    return None


def _inversions(order: Sequence[str], usual: Sequence[str]) -> int:
    places = [usual.index(axis) for axis in order]
    return sum(a > b for a, b in itertools.combinations(places, 2))


def _subsets(axes: Sequence[str]) -> Iterator[Group]:
    for count in range(len(axes) + 1):
        yield from itertools.combinations(axes, count)


def _split(order: Sequence[str], sizes: Mapping[str, int], shape: Shape) -> list[Group] | None:
    """Return the order cut into groups, one for every axis of `shape`; None if it cannot be cut there."""
    left, groups = list(order), []
    for length in shape:
        group: list[str] = []
        while math.prod(sizes[axis] for axis in group) < length and left:
            group.append(left.pop(0))
        if math.prod(sizes[axis] for axis in group) != length:
            return None
        groups.append(tuple(group))
    return None if left else groups


def _matches(own: Tensor, atoms: Sequence[str], order: Sequence[str], sizes: Mapping[str, int], other: Tensor) -> bool:
    """Tell whether the entries in this order are the other ones, or the sums of their copies."""
    spread = other.reshape([sizes[axis] for axis in order])
    copied = [number for number, axis in enumerate(order) if axis not in atoms]
    if copied:
        spread = spread.sum(copied)
    kept = [axis for axis in order if axis in atoms]
    moved = own.reshape([sizes[axis] for axis in atoms]).permute([atoms.index(axis) for axis in kept])
    return _alike(moved, spread)


def _alike(first: Tensor, second: Tensor) -> bool:
    """Tell whether two tensors of one shape are equal, at the cost of a few entries where they are not."""
    generator = torch.Generator().manual_seed(0)
    at = tuple(torch.randint(length, (SAMPLE,), generator=generator) for length in first.shape)
    return (not at or torch.equal(first[at], second[at])) and torch.equal(first, second)


def _flip(own: Tensor, source: Sequence[Group], sizes: Mapping[str, int], flipped: Group) -> Tensor:
    names = [axis for group in source for axis in group]
    apart = own.reshape([sizes[axis] for axis in names])
    return apart.flip([names.index(axis) for axis in flipped]).reshape(own.shape)


def _flip_step(source: Sequence[Group], flipped: Group, kernel: Sequence[str]) -> tuple[Step, ...]:
    if not flipped:
        return ()
    told = "kernel flipped" if list(flipped) == list(kernel) else f"flipped along {' '.join(flipped)}"
    return (Flip(tuple(source.index((axis,)) - len(source) for axis in flipped), told),)


def _with_units(groups: Sequence[Group], source: Sequence[Group], sizes: Mapping[str, int]) -> tuple[Group, ...]:
    """Put the axes of length 1, which may stand anywhere, behind those that they stand behind in the source."""
    target = [list(group) for group in groups]
    names = [axis for group in source for axis in group]
    for number, axis in enumerate(names):
        if sizes[axis] == 1:
            before = names[number - 1] if number else None
            home = next((group for group in target if before in group), None)
            if home is None:
                # An axis of length 1 of the target is as good a place as any.
                home = next((group for group in target if not group), target[0])
                home.insert(0, axis)
            else:
                home.insert(home.index(str(before)) + 1, axis)
    return tuple(tuple(group) for group in target)
