"""Which order of axes takes one set of signatures to another: a permutation of entries, factored into axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from convcheck.rewriting.steps import EinopsStep, Flip, Step
from convcheck.sizes.patterns import KERNEL_AXES, Group, Pattern, Shape

ATTEMPTS = 8
SAMPLE = 64
"""So many entries are looked at before all of them are: nearly every wrong arrangement fails on them."""


def arrange(source: Sequence[Group], sizes: Mapping[str, int], own: Tensor, other: Tensor) -> tuple[Step, ...] | None:
    """Return the steps that take a tensor with signatures `own` to the places with signatures `other`, if axes do it.

    `source` names the axes of `own`, and `sizes` their lengths, and those of axes along which entries may be copied.
    The arrangement nearest to the given order is taken, and one without a flip before one with.
    """
    atoms = tuple(axis for group in source for axis in group if sizes[axis] > 1)
    new = tuple(axis for axis in sizes if sizes[axis] > 1 and not any(axis in group for group in source))
    copies = other.numel() // max(1, own.numel())
    if own.numel() * copies != other.numel():
        return None
    if copies == 1:
        new = ()
    elif math.prod(sizes[axis] for axis in new) != copies:
        return None
    shape = tuple(other.shape)
    flippable = tuple(axis for axis in atoms if any(axis in kernel for kernel in KERNEL_AXES.values()))
    for flipped, order in _candidates(own, atoms, new, flippable, sizes, other):
        groups = _split(order, sizes, shape)
        if groups is None or not set(flipped) <= set(flippable):
            continue
        if _matches(_flip(own, source, sizes, flipped), atoms, order, sizes, other):
            target = _with_units(groups, source, sizes)
            step = EinopsStep(Pattern(tuple(source), target), dict(sizes))
            return (*_flip_step(source, flipped, flippable), step)
    return None


def _candidates(
    own: Tensor, atoms: Group, new: Group, flippable: Group, sizes: Mapping[str, int], other: Tensor
) -> Iterator[tuple[Group, Group]]:
    """Yield (flipped axes, order of axes): the only one, if signatures tell the places of entries, or else all."""
    strides = None if new else _strides(own, atoms, sizes, other)
    if strides is not None:
        order = sorted(atoms, key=lambda axis: -abs(strides[axis]))
        yield tuple(axis for axis in atoms if strides[axis] < 0), tuple(order)
        return
    axes = (*atoms, *new)
    nearest = sorted(itertools.permutations(axes), key=lambda order: _inversions(order, axes))
    for flipped in _subsets(flippable):
        yield from ((flipped, order) for order in nearest)


def _strides(own: Tensor, atoms: Group, sizes: Mapping[str, int], other: Tensor) -> dict[str, int] | None:
    """Return by how much the place of an entry moves with every axis; None if the signatures of too many are the same.

    An entry and its neighbours are looked for in `other`; how far apart they lie there are the strides.
    """
    entries, places = own.reshape([sizes[axis] for axis in atoms]), other.flatten()
    generator = torch.Generator().manual_seed(0)
    for _ in range(ATTEMPTS):
        at = [int(torch.randint(sizes[axis] - 1, (), generator=generator)) for axis in atoms]
        beside = [[place + (axis == moved) for axis, place in enumerate(at)] for moved in range(len(atoms))]
        found = [(places == entries[tuple(index)]).nonzero().flatten() for index in (at, *beside)]
        if all(len(each) == 1 for each in found):
            first, *others = (int(each) for each in found)
            return {axis: place - first for axis, place in zip(atoms, others, strict=True)}
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
