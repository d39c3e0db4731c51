"""Zeros beside, between and around the entries of a tensor. Differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def among_zeros(tensor: Tensor, places: slice, length: int) -> Tensor:
    """Return a tensor of this length along its first axis, with the entries of `tensor` in places, and zeros beside."""
    longer = tensor.new_zeros((length, *tensor.shape[1:]))
    longer[places] = tensor
    return longer


def block_diagonal(tensor: Tensor, groups: int) -> Tensor:
    """Return `[(g o), i, ...]` as `[(g o), (g i), ...]`, with zeros where a group of `o` meets another's `i`."""
    if groups == 1:
        return tensor
    rows, columns = tensor.shape[0] // groups, tensor.shape[1]
    wide = tensor.new_zeros((tensor.shape[0], columns * groups, *tensor.shape[2:]))
    for group in range(groups):
        block = slice(group * rows, (group + 1) * rows)
        wide[block, group * columns : (group + 1) * columns] = tensor[block]
    return wide


def zeros_between(tensor: Tensor, factors: Sequence[int]) -> Tensor:
    """Return a tensor with `factor - 1` zeros between its entries along every axis; one factor for each."""
    wide = tensor.new_zeros([(length - 1) * factor + 1 for length, factor in zip(tensor.shape, factors, strict=True)])
    every: Any = (..., *(slice(None, None, factor) for factor in factors))
    wide[every] = tensor
    return wide
