"""Faults as linear changes of one tensor. All are differentiable, and leave shape and dtype as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType

import torch
from torch import Tensor

Change = Callable[[Tensor], Tensor]

SLIGHTLY = 1 + 2.0**-20


def times(tensor: Tensor, factor: float) -> Tensor:
    """Multiply all entries."""
    return tensor * factor


def swapped(tensor: Tensor, axes: tuple[int, int]) -> Tensor:
    """Exchange two axes of one length."""
    return tensor.transpose(*axes)


def flipped(tensor: Tensor, axis: int) -> Tensor:
    """Read an axis from its end."""
    return tensor.flip(axis)


def rolled(tensor: Tensor, axis: int, by: int) -> Tensor:
    """Move entries along an axis; what falls off its end comes in at its start."""
    return tensor.roll(by, axis)


def shifted(tensor: Tensor, axis: int, by: int) -> Tensor:
    """Move entries along an axis by 1 or by -1; what falls off is lost, and zeros come in."""
    kept = tensor.narrow(axis, 1 if by < 0 else 0, tensor.shape[axis] - 1)
    zeros = torch.zeros_like(tensor.narrow(axis, 0, 1))
    return torch.cat([kept, zeros] if by < 0 else [zeros, kept], axis)


def scaled_at(tensor: Tensor, at: tuple[EllipsisType | int | slice, ...], factor: float) -> Tensor:
    """Multiply the entries at an index."""
    factors = torch.ones(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    factors[at] = factor
    return tensor * factors


def scaled_entry(tensor: Tensor, at: int, factor: float) -> Tensor:
    """Multiply one entry, counted through all axes."""
    factors = torch.ones(tensor.numel(), dtype=tensor.dtype, device=tensor.device)
    factors[at] = factor
    return tensor * factors.reshape(tensor.shape)


def exchanged(tensor: Tensor, pair: Sequence[int]) -> Tensor:
    """Exchange two entries, counted through all axes."""
    places = torch.arange(tensor.numel(), device=tensor.device)
    places[[*pair]] = places[[*reversed(pair)]]
    return tensor.flatten()[places].reshape(tensor.shape)
