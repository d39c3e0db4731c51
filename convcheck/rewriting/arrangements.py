"""Finds the order of axes that takes one tensor of signatures to another: a permutation of entries, factored into axes.

Throughout, `ours` are the signatures of a parameter of the reference and `theirs` those of the candidate's parameter:
int64 tensors of the parameters' shapes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from convcheck.rewriting.steps import Step, steps_of
from convcheck.sizes.patterns import KERNEL_AXES, Group, Pattern, Shape
from convcheck.sizes.relayouts import Lengths, Operation, Rearrangement, Relayout

ATTEMPTS = 8
"""How many entries are looked for in the candidate; one whose signature stands there twice shows no stride."""

SAMPLE = 64
"""How many entries are compared before all of them are: nearly every wrong arrangement fails on them."""


def arrange(
    source: Sequence[Group],
    sizes: Mapping[str, int],
    written: Lengths,
    ours: Tensor,
    theirs: Tensor,
    *,
    flips: bool = False,
) -> tuple[Step, ...] | None:
    """Return the steps that take the entries of `ours` to their places in `theirs`; None if no order of axes does.

    `source` names the axes of `ours`. `sizes` gives their lengths, and those of axes along which entries may be copied;
    those of `written` have to stand behind the pattern. Axes of a kernel may be flipped, and with `flips` all others.
    Of several arrangements, return the nearest to the given order, and one without a flip before one with.
    """
    atoms = tuple(axis for group in source for axis in group if sizes[axis] > 1)
    copied = tuple(axis for axis in sizes if sizes[axis] > 1 and not any(axis in group for group in source))
    copies = theirs.numel() // max(1, ours.numel())
    if ours.numel() * copies != theirs.numel():
        return None
    if copies == 1:
        copied = ()
    elif math.prod(sizes[axis] for axis in copied) != copies:
        return None
    shape = tuple(theirs.shape)
    flippable = tuple(axis for axis in atoms if flips or any(axis in kernel for kernel in KERNEL_AXES.values()))
    for flipped, order in _candidates(ours, atoms, copied, flippable, sizes, theirs):
        groups = _split(order, sizes, shape)
        if groups is None or not set(flipped) <= set(flippable):
            continue
        if _matches(_flip(ours, source, sizes, flipped), atoms, order, sizes, theirs):
            return _steps(flipped, source, groups, sizes, written, tuple(ours.shape))
    return None


def orders(
    source: Sequence[Group], sizes: Mapping[str, int], written: Lengths, ours: Shape, theirs: Shape
) -> Iterator[tuple[Step, ...]]:
    """Yield the steps that lay a tensor of shape `ours` out in shape `theirs`, for every order of axes that fits.

    `source` and `sizes` are as for `arrange`. The nearest to the given order come first.
    """
    atoms = tuple(axis for group in source for axis in group if sizes[axis] > 1)
    for order in sorted(itertools.permutations(atoms), key=lambda order: _inversions(order, atoms)):
        if (groups := _split(order, sizes, theirs)) is not None:
            yield _steps((), source, groups, sizes, written, ours)


def _steps(
    flipped: Group,
    source: Sequence[Group],
    groups: Sequence[Group],
    sizes: Mapping[str, int],
    written: Lengths,
    shape: Shape,
) -> tuple[Step, ...]:
    """Return the steps of a pattern from `source` to `groups`, and of flips."""
    target = _with_units(groups, source, sizes)
    pattern = Pattern(tuple(source), target)
    named = {axis for group in (*source, *target) for axis in group}
    step = Rearrangement(pattern, tuple(entry for entry in written if entry[0] in named))
    return steps_of(Relayout((step, *(Operation("flip", axis) for axis in flipped))), shape, sizes)


def _candidates(
    ours: Tensor, atoms: Group, copied: Group, flippable: Group, sizes: Mapping[str, int], theirs: Tensor
) -> Iterator[tuple[Group, Group]]:
    """Yield (flipped axes, order of axes): the only possible one if signatures tell entries apart, otherwise all."""
    strides = None if copied else _strides(ours, atoms, sizes, theirs)
    if strides is not None:
        order = sorted(atoms, key=lambda axis: -abs(strides[axis]))
        yield tuple(axis for axis in atoms if strides[axis] < 0), tuple(order)
        return
    axes = (*atoms, *copied)
    nearest = sorted(itertools.permutations(axes), key=lambda order: _inversions(order, axes))
    for flipped in _subsets(flippable):
        yield from ((flipped, order) for order in nearest)


def _strides(ours: Tensor, atoms: Group, sizes: Mapping[str, int], theirs: Tensor) -> dict[str, int] | None:
    """Return the stride of every axis in `theirs`, in entries; None if too many signatures are the same.

    The strides are the distances in `theirs` between an entry and its neighbours along the axes.
    """
    entries, places = ours.reshape([sizes[axis] for axis in atoms]), theirs.flatten()
    generator = torch.Generator().manual_seed(0)
    for _ in range(ATTEMPTS):
        entry = [int(torch.randint(sizes[axis] - 1, (), generator=generator)) for axis in atoms]
        neighbours = [[place + (axis == moved) for axis, place in enumerate(entry)] for moved in range(len(atoms))]
        matches = [(places == entries[tuple(index)]).nonzero().flatten() for index in (entry, *neighbours)]
        if all(len(match) == 1 for match in matches):
            first, *others = (int(match) for match in matches)
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


def _matches(
    ours: Tensor, atoms: Sequence[str], order: Sequence[str], sizes: Mapping[str, int], theirs: Tensor
) -> bool:
    """Tell whether the entries of `ours` in this order are those of `theirs`, or the sums of the copies there."""
    spread = theirs.reshape([sizes[axis] for axis in order])
    copied = [number for number, axis in enumerate(order) if axis not in atoms]
    if copied:
        spread = spread.sum(copied)
    permutation = [atoms.index(axis) for axis in order if axis in atoms]
    moved = ours.reshape([sizes[axis] for axis in atoms]).permute(permutation)
    return _alike(moved, spread)


def _alike(first: Tensor, second: Tensor) -> bool:
    """Tell whether two tensors of one shape are equal. A sample of their entries settles most that are not."""
    generator = torch.Generator().manual_seed(0)
    sample = tuple(torch.randint(length, (SAMPLE,), generator=generator) for length in first.shape)
    return (not sample or torch.equal(first[sample], second[sample])) and torch.equal(first, second)


def _flip(ours: Tensor, source: Sequence[Group], sizes: Mapping[str, int], flipped: Group) -> Tensor:
    """Return `ours` with some of its axes, or of those that are grouped in one, read from the end."""
    names = [axis for group in source for axis in group]
    apart = ours.reshape([sizes[axis] for axis in names])
    return apart.flip([names.index(axis) for axis in flipped]).reshape(ours.shape)


def _with_units(groups: Sequence[Group], source: Sequence[Group], sizes: Mapping[str, int]) -> tuple[Group, ...]:
    """Return the groups with the axes of length 1 inserted, which fit anywhere: after their neighbours in `source`."""
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
