"""Weights on their way through a mapping, bit for bit where they only move."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from convcheck.rewriting.parameter_move import Parameters
from convcheck.rewriting.steps import Negate, Scale
from convcheck.rewriting.transplant import Move, Transplant

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def only_moves(mapping: Transplant) -> bool:
    """Tell whether numbers are copied, and zeros added, and nothing is computed."""
    return all(
        isinstance(move, Move) and not any(isinstance(step, (Negate, Scale)) for step in move.steps)
        for move in mapping.moves
    )


def forward(mapping: Transplant, parameters: Parameters) -> dict[str, Tensor]:
    """Return the candidate's tensors from the reference's; what only moves keeps signs of zeros, and NaN."""
    if not only_moves(mapping):
        return mapping.forward(parameters)
    made = mapping.forward(_as_bits(parameters))
    return {move.target: made[move.target].view(parameters[move.sources[0]].dtype) for move in mapping.moves}


def backward(mapping: Transplant, parameters: Parameters) -> dict[str, Tensor]:
    """Return the reference's tensors from the candidate's, likewise. Raises NoWayBackError as the moves do."""
    if not only_moves(mapping):
        return mapping.backward(parameters)
    made = mapping.backward(_as_bits(parameters))
    dtypes = {name: parameters[move.target].dtype for move in mapping.moves for name in move.sources}
    return {name: tensor.contiguous().view(dtypes[name]) for name, tensor in made.items()}


def same(first: Tensor, second: Tensor) -> bool:
    """Tell whether two tensors have the same dtype, shape and bits."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return torch.equal(_bits(first), _bits(second))


def _as_bits(parameters: Parameters) -> Mapping[str, Tensor]:
    return {name: _bits(tensor) for name, tensor in parameters.items()}


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().view(_BITS[tensor.element_size()])
