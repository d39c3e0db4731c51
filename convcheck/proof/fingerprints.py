"""Fingerprints of tensors: numbers that tell entries apart, and do not depend on the order in which they stand."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from convcheck.proof.batch import PART

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
