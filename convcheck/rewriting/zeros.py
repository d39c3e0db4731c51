"""Zeros beside and around the entries of a tensor. Differentiable."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def among_zeros(tensor: Tensor, axis: int, before: int, after: int) -> Tensor:
    """Return the tensor with so many zeros before and after its entries along an axis."""
    from torch.nn import functional

    # Of the last axis first.
    return functional.pad(tensor, (*[0, 0] * (tensor.dim() - 1 - axis), before, after))


def block_diagonal(tensor: Tensor, groups: int) -> Tensor:
    """Return `[(g o), i, ...]` as `[(g o), (g i), ...]`, with zeros where a group of `o` meets another's `i`."""
    if groups == 1:
        return tensor
    # Groups move last, then become the diagonal of [g, o, g, i, ...].
    blocks = tensor.reshape(groups, -1, *tensor.shape[1:]).movedim(0, -1).diag_embed(dim1=0, dim2=2)
    return blocks.flatten(2, 3).flatten(0, 1)
