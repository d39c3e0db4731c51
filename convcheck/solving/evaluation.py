"""Relations of isl as tensors of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import islpy as isl
import torch
from torch import Tensor

from convcheck.sizes.patterns import Shape

NOWHERE = -1


def evaluated(relation: Any, shape: Shape, targets: Sequence[Shape]) -> list[Tensor]:
    """Return, for every entry of a tensor of `shape`, the number of the entry of each target that it is related to.

    Axes of length 1 are none of the relation's. NOWHERE stands where it is related to none. The relation has to be
    single-valued. The tensors are int64, `[*shape]`.
    """
    long = [size for size in shape if size > 1]
    grids = list(torch.meshgrid(*(torch.arange(size) for size in long), indexing="ij")) if long else []
    like = torch.zeros(long, dtype=torch.int64)
    lengths = [[size for size in target if size > 1] for target in targets]
    numbers = [torch.full_like(like, NOWHERE) for _ in targets]
    pieces: list[tuple[Any, Any]] = []
    isl.PwMultiAff.from_map(relation).foreach_piece(lambda *piece: pieces.append(piece))
    for where, what in pieces:
        here = _contains(where, grids, like)
        place = 0
        for number, sizes in zip(numbers, lengths, strict=True):
            entry = torch.zeros_like(like)
            for axis, _ in enumerate(sizes):
                entry = entry + _value(what.get_aff(place), grids, like) * math.prod(sizes[axis + 1 :])
                place += 1
            number[here] = entry[here]
    return [number.reshape(shape) for number in numbers]


def contained(place: Any, shape: Shape) -> Tensor:
    """Return which entries of a tensor of `shape` a set has; axes of length 1 are none of the set's."""
    long = [size for size in shape if size > 1]
    grids = list(torch.meshgrid(*(torch.arange(size) for size in long), indexing="ij")) if long else []
    return _contains(place, grids, torch.zeros(long, dtype=torch.int64)).reshape(shape)


def _contains(place: Any, grids: Sequence[Tensor], like: Tensor) -> Tensor:
    inside = torch.zeros_like(like, dtype=torch.bool)
    for basic in place.compute_divs().get_basic_sets():
        here = torch.ones_like(like, dtype=torch.bool)
        for constraint in basic.get_constraints():
            value = _value(constraint.get_aff(), grids, like)
            here &= (value == 0) if constraint.is_equality() else (value >= 0)
        inside |= here
    return inside


def _value(aff: Any, grids: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return an affine expression at all places, rounded down."""
    terms: list[tuple[Any, Tensor | None]] = [(aff.get_constant_val(), None)]
    for number, grid in enumerate(grids):
        terms.append((aff.get_coefficient_val(isl.dim_type.in_, number), grid))
    for number in range(aff.dim(isl.dim_type.div)):
        coefficient = aff.get_coefficient_val(isl.dim_type.div, number)
        if not coefficient.is_zero():
            terms.append((coefficient, _value(aff.get_div(number), grids, like)))
    whole = math.lcm(*(_integer(value.get_den_val()) for value, _ in terms))
    total = torch.zeros_like(like)
    for value, along in terms:
        times = value.get_num_si() * (whole // _integer(value.get_den_val()))
        total = total + (times if along is None else times * along)
    return torch.div(total, whole, rounding_mode="floor")


def _integer(value: Any) -> int:
    return int(value.to_python())
