"""Functions drawn at random: to equal arguments equal numbers, to all others numbers that have nothing to do with them.

An argument is an entry at all samples at once: two that are different polynomials are equal at one of them by chance,
and at all hardly ever. It is known by a state of 128 bits, mixed as S. Vigna does (splitmix64), and so is what is drawn
for it; a random seed goes in first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_MASK = 2**64 - 1


class State(NamedTuple):
    """What an entry, or several, are known by: two int64, of the shape of the entries."""

    first: Tensor
    second: Tensor


def _signed(number: int) -> int:
    number &= _MASK
    return number - 2**64 if number >= 2**63 else number


_GOLDEN, _ONE, _TWO = _signed(0x9E3779B97F4A7C15), _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _shifted(bits: Tensor, places: int) -> Tensor:
    """Return a shift to the right that fills up with zeros."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _mixed(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)) * _ONE
    bits = (bits ^ _shifted(bits, 27)) * _TWO
    return bits ^ _shifted(bits, 31)


def word(name: str, seed: int) -> tuple[int, int]:
    """Return 128 bits for the name of a function and its options."""
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=16).digest()
    return _signed(int.from_bytes(digest[:8], "little")), _signed(int.from_bytes(digest[8:], "little"))


def state_of(name: str, seed: int, samples: Sequence[Tensor]) -> State:
    """Return the state of all entries of a tensor, which is given at every sample, for a function of this name."""
    start = word(name, seed)
    states = [torch.full(samples[0].shape, one, dtype=torch.int64) for one in start]
    for tensor in samples:
        # Zero has no sign here.
        bits = (tensor.detach() + 0.0).view(torch.int64)
        states = [_mixed((one ^ bits) + _GOLDEN) for one in (states[0], states[1] ^ _ONE)]
        states[1] = states[1] + states[0] * _TWO
    return State(*states)


def joined(name: str, seed: int, states: Sequence[State]) -> State:
    """Return one state for several in their order."""
    first, second = word(name, seed)
    result = State(_mixed(states[0].first ^ first), _mixed(states[0].second ^ second))
    for state in states[1:]:
        result = State(_mixed(result.first * _ONE + state.first), _mixed(result.second * _TWO + state.second))
    return result


def gathered(state: State, dims: Sequence[int], present: Tensor) -> State:
    """Return one state for all entries along axes that are present, in whatever order; axes stay with length 1."""
    return State(*(_mixed(torch.where(present, one, 0).sum(tuple(dims), keepdim=True)) for one in state))


def drawn(state: State, number: int, p: int) -> Tensor:
    """Return the whole numbers modulo p that are drawn for a state at the sample of this number, float64."""
    bits = _mixed(state.first ^ _mixed(state.second + _signed((number + 1) * 0x9E3779B97F4A7C15)))
    return bits.remainder(p).double() - (p - 1) // 2
