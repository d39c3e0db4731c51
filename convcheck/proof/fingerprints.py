"""Fingerprints of tensors: numbers that tell entries apart, whatever their order, and digests, which depend on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from convcheck.proof.batch import MANY, PART

_FIRST, _SECOND = -7046029254386353131, -4658895280553007687
"""Odd numbers without a pattern in their bits, by which those of a number are mixed."""


def fingerprint(tensor: Tensor) -> int:
    """Return a number of 64 bits that is the same for the same entries in any order, and else hardly ever."""
    return sum(int(mixed(piece).sum()) for (piece,) in in_pieces(tensor)) % 2**64


def mixed(tensor: Tensor) -> Tensor:
    """Return whole numbers of 64 bits that tell entries apart; zeros of both signs are one number."""
    bits = (tensor.double() + 0.0).contiguous().view(torch.int64)
    for factor in (_FIRST, _SECOND):
        bits = (bits ^ (bits >> 31)) * factor
    return bits ^ (bits >> 29)


def in_pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield tensors of as many entries in pieces that a processor's caches hold, since weights may be large."""
    yield from zip(*(torch.split(tensor.reshape(-1), PART) for tensor in tensors), strict=True)


def short(tensor: Tensor) -> Tensor:
    """Return a tensor that is equal where tensors are, and else not: itself, or of a large one its digest.

    That is BLAKE2b's, 32 bytes, of dtype, shape and numbers; nobody knows of two inputs that have the same. Zeros of
    both signs are equal, and NaN, as ever, equals nothing. What are no floating-point numbers, as a digest, stays.
    """
    if tensor.numel() <= MANY or not tensor.is_floating_point():
        return tensor
    made = hashlib.blake2b(repr((tensor.dtype, *tensor.shape)).encode(), digest_size=32)
    # Blocks that are taken and freed in turn leave holes.
    room = torch.empty(PART, dtype=tensor.dtype)
    for piece in _in_order(tensor):
        # NaN is the largest.
        if piece.max().isnan():
            return torch.full((1,), torch.nan)
        made.update(torch.add(piece, 0.0, out=room[: len(piece)]).numpy().data)
    return torch.frombuffer(bytearray(made.digest()), dtype=torch.uint8)


def _in_order(tensor: Tensor) -> Iterator[Tensor]:
    """Yield all entries in pieces, in the order of their indices: of one that lies otherwise only pieces are copied."""
    if tensor.is_contiguous() or tensor.dim() < 2:
        yield from torch.split(tensor.reshape(-1), PART)
        return
    rows = PART * len(tensor) // tensor.numel()
    if rows == 0:
        for row in tensor:
            yield from _in_order(row)
        return
    for piece in torch.split(tensor, rows):
        yield piece.reshape(-1)
