"""Weights before and after a transplant, as small grids: which entry of the reference's stands where.

Entries are followed by labels. That a transplant only moves them is seen by other labels, which have to come out in the
same places.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from convcheck.results.pictures import Grid, WeightMap
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.transplant import Transplant
from convcheck.sizes.patterns import Shape

ROWS, COLUMNS = 8, 64
"""How many rows and columns of a weight are shown."""

WEIGHTS = 2
"""How many weights are shown, those that stand first."""

MOST = 1 << 24
"""How many entries are followed; of a weight that has more there is no map."""


def weight_maps(mapping: Transplant, parameters: Mapping[str, Tensor]) -> Iterator[WeightMap]:
    """Yield maps of the first weights; of vectors, such as a bias, where there is nothing else."""
    moves = [move for move in mapping.moves if move.sources and _entries(move, parameters) <= MOST]
    weights = [move for move in moves if any(parameters[source].dim() > 1 for source in move.sources)]
    for move in (weights or moves)[:WEIGHTS]:
        yield weight_map(move, {source: parameters[source] for source in move.sources})


def weight_map(move: ParameterMove, parameters: Mapping[str, Tensor]) -> WeightMap:
    """Return the map of a parameter of the candidate, and of the first of those that it is made of."""
    shapes = {name: tuple(tensor.shape) for name, tensor in parameters.items()}
    source = max(shapes, key=lambda name: len(shapes[name]))
    index = entries_of(move, shapes)
    if index is None:
        before, after = parameters[source].double(), move.forward(parameters).double()
    else:
        first = 0
        for name in shapes:
            if name == source:
                break
            first += math.prod(shapes[name])
        before = first + torch.arange(math.prod(shapes[source]), dtype=torch.float64).reshape(shapes[source])
        after = torch.where(index == 0, math.nan, index.abs() - 1)
    return WeightMap(
        ", ".join(shapes),
        move.target,
        str(move),
        (shapes[source], tuple(after.shape)),
        index is not None,
        _grid(before),
        _grid(after),
    )


def entries_of(move: ParameterMove, shapes: Mapping[str, Shape]) -> Tensor | None:
    """Return for every entry of the candidate's parameter which one of its sources it is, counted from 1 through all.

    It is negative where the sign changes, and 0 where it is none; the result is None where entries are more than moved.
    """
    counts = [math.prod(shape) for shape in shapes.values()]
    labels = torch.arange(1, sum(counts) + 1, dtype=torch.float64)
    others = torch.cat([torch.zeros(1), torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)) + 1.0])
    others = others.double()

    def moved(values: Tensor) -> Tensor:
        parts = zip(shapes.items(), torch.split(values, counts), strict=True)
        return move.forward({name: part.reshape(shape) for (name, shape), part in parts})

    index = moved(labels)
    whole = index.isfinite() & (index == index.round()) & (index.abs() <= len(labels))
    if not bool(whole.all()):
        return None
    again = others[index.abs().long()] * index.sign()
    return index if torch.equal(again, moved(others[1:])) else None


def _entries(move: ParameterMove, parameters: Mapping[str, Tensor]) -> int:
    return max(math.prod(move.result()), sum(parameters[source].numel() for source in move.sources))


def _grid(weight: Tensor) -> Grid:
    rows = weight.reshape(1, -1) if weight.dim() < 2 else weight.flatten(1)
    return tuple(map(tuple, rows[:ROWS, :COLUMNS].tolist()))
