"""The order in which the places of one axis stand in another tensor, and words for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from convcheck.proof.batch import PART
from convcheck.proof.fingerprints import mixed

RUNS = 6
"""Of how many pieces an order is told as such."""


def order_of_places(made: Tensor, held: Tensor, axis: int) -> Tensor | None:
    """Return the place in `made` of every place of `held` along an axis; None if there is no such order, or the usual.

    Places whose entries have one sum of fingerprints are taken for one another.
    """
    ours, theirs = (_sums(tensor, axis) for tensor in (made, held))
    sorted_ours, from_ours = ours.sort(stable=True)
    sorted_theirs, from_theirs = theirs.sort(stable=True)
    if not torch.equal(sorted_ours, sorted_theirs):
        return None
    order = torch.empty_like(from_ours)
    order[from_theirs] = from_ours
    return None if torch.equal(order, torch.arange(len(order))) else order


def _sums(tensor: Tensor, axis: int) -> Tensor:
    """Return a sum for every place along an axis that tells its entries, and where they stand."""
    rows = tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1)
    weights = torch.randint(2**62, (rows.shape[1],), generator=torch.Generator().manual_seed(0)) * 2 + 1
    return torch.cat([(mixed(some) * weights).sum(1) for some in torch.split(rows, max(1, PART // rows.shape[1]))])


def described_order(order: Tensor, axis: int, axes: int) -> str:
    """Return words for an order of places: pieces that moved, an axis that is two or three, or the first that moved."""
    runs = list(_runs(order))
    if len(runs) <= RUNS:
        moved = [(first, length, at) for first, length, at in runs if first != at]
        pieces = (f"{_span(at, length)} hold what belongs to {_span(first, length)}" for first, length, at in moved)
        return f"along axis {axis}, the places {', '.join(pieces)}"
    if (pattern := _as_axes(order)) is not None:
        ours, theirs, lengths = pattern
        before, after = ([f"a{number}" for number in range(axes)] for _ in range(2))
        before[axis], after[axis] = ours, theirs
        return f"it is '{' '.join(before)} -> {' '.join(after)}, {lengths}' of what it should be"
    at = int((order != torch.arange(len(order))).nonzero()[0])
    return (
        f"the places of axis {axis} stand in another order; the first that moved is {at}, which holds {int(order[at])}"
    )


def _span(first: int, length: int) -> str:
    return str(first) if length == 1 else f"{first} to {first + length - 1}"


def _runs(order: Tensor) -> Iterator[tuple[int, int, int]]:
    """Yield (first place, how many, where they stand) of pieces that moved as a whole."""
    breaks = [0, *((order[1:] - order[:-1] != 1).nonzero().flatten() + 1).tolist(), len(order)]
    for at, end in itertools.pairwise(breaks):
        yield int(order[at]), end - at, at


def _as_axes(order: Tensor) -> tuple[str, str, str] | None:
    """Return an axis as two or three, the order in which these stand, and their lengths; None if it is not that."""
    count, usual = len(order), torch.arange(len(order))
    for x in _divisors(count):
        if torch.equal(usual.reshape(x, -1).T.flatten(), order):
            return "(x y)", "(y x)", f"x={x}"
    for x in _divisors(count):
        for y in _divisors(count // x):
            apart = usual.reshape(x, y, -1)
            for axes in ((0, 2, 1), (1, 0, 2), (2, 1, 0)):
                # The first entries settle most of them.
                moved = apart.permute(axes)
                if torch.equal(moved.flatten(), order):
                    names = " ".join("xyz"[axis] for axis in axes)
                    return "(x y z)", f"({names})", f"x={x}, y={y}"
    return None


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(2, number // 2 + 1) if number % divisor == 0]
