"""Pairs that are equal at the sizes at hand and differ at others, where a trace or a reading could miss it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import convcheck
from convcheck.results import Result
from tests.user_code.modules.code import Code

Shapes = tuple[tuple[int, ...], ...]


class Cached(nn.Module):
    """Keeps positions in a dict, and makes longer ones where they are too few."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        count = x.shape[1]
        if "positions" not in self.kept or self.kept["positions"].shape[0] < count:
            self.kept["positions"] = torch.arange(count).to(x)
        return x + self.kept["positions"][:count]


class Padded(nn.Module):
    """A convolution that pads by a length of its second input, itself or with `functional.pad`."""

    def __init__(self, by_itself: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2, 3))
        self.by_itself = by_itself

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        more = (y.shape[0] // 16) % 2
        if self.by_itself:
            return functional.conv1d(x, self.weight, padding=more + 1)
        return functional.conv1d(functional.pad(x, (1, 2 * more + 1)), self.weight)


def verify(one: nn.Module, other: nn.Module, shapes: Shapes) -> Result:
    return convcheck.verify(one, list(shapes), candidate=other, all_sizes=True)


def tail(x: Tensor, y: Tensor) -> Tensor:
    return x[:, y.shape[1] :]


def tail_or_other(x: Tensor, y: Tensor) -> Tensor:
    try:
        return tail(x, y) + y
    except RuntimeError:
        return y * 1


def added_in_place(x: Tensor, y: Tensor) -> Tensor:
    sums = y.clone()
    sums[:, : tail(x, y).shape[1]] += tail(x, y)
    return sums


def doubled_behind(x: Tensor) -> Tensor:
    """Flatten what is a view for some lengths and a copy for others, and double what it may be a view of."""
    twice = x * 2
    flat = twice[:, 1 - (x.shape[1] // 8) % 2 :].flatten()
    twice.mul_(2)
    return flat * 1


def moved_over_itself(x: Tensor) -> Tensor:
    moved = x * 1
    moved[:, 1:] = moved[:, :-1]
    return moved


def written_through_a_view(x: Tensor) -> Tensor:
    twice = torch.cat([x, x], 1)
    flat = twice[:, 1 - (x.shape[1] // 8) % 2 :].flatten()
    torch.broadcast_to(flat, flat.shape).mul_(-1)
    return twice * 1


def scaled_where(x: Tensor, nonzero: Callable[[int, int, int], bool]) -> Tensor:
    a, b, c = (length - 2 for length in x.shape)
    return x * 2 if nonzero(a, b, c) else x


def plus_positions(x: Tensor) -> Tensor:
    return x + torch.arange(x.shape[1])


TRAPS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], Shapes]] = {
    "a branch where it is not broadcast": (
        lambda x, y: tail(x, y) + y if tail(x, y).shape[1] == y.shape[1] else y * 1,
        tail_or_other,
        ((2, 12), (2, 6)),
    ),
    "a sum that may be broadcast": (lambda x, y: tail(x, y) + y, added_in_place, ((2, 12), (2, 6))),
    "a write behind a view": (
        lambda x: (x * 2)[:, 1 - (x.shape[1] // 8) % 2 :].flatten(),
        doubled_behind,
        ((4, 20, 2),),
    ),
    "positions of 8 bits": (plus_positions, lambda x: x + torch.arange(x.shape[1], dtype=torch.int8), ((2, 8),)),
    "positions of half precision": (
        plus_positions,
        lambda x: x + torch.arange(x.shape[1], dtype=torch.bfloat16).to(x),
        ((2, 8),),
    ),
    "a sum of 8 bits": (
        lambda x: x + torch.ones_like(x, dtype=torch.int64).sum(1, keepdim=True),
        lambda x: x + torch.ones_like(x, dtype=torch.int64).sum(1, keepdim=True, dtype=torch.uint8),
        ((2, 8),),
    ),
    "products that wrap around": (
        lambda x: x + torch.arange(x.shape[1]) * 2.0**58,
        lambda x: x + torch.arange(x.shape[1]) * 2**58,
        ((2, 8),),
    ),
    "products of lengths": (
        lambda x: scaled_where(x, lambda a, b, c: a * b + b * c + c * a != 0),
        lambda x: scaled_where(x, lambda a, b, c: a + b + c != 0),
        ((3, 4, 5),),
    ),
    "decimals": (lambda x: torch.round(x, decimals=2), torch.round, ((2, 8),)),
    "a threshold": (functional.softplus, lambda x: functional.softplus(x, 1, 5), ((2, 8),)),
    "a variance of too few": (
        lambda x: x.var(1, correction=3),
        lambda x: (x - x.mean(1, keepdim=True)).square().sum(1) / (x.shape[1] - 3),
        ((2, 8),),
    ),
    "a logarithm of zero": (
        lambda x: x * 1,
        lambda x: x + (x.abs().log() == -torch.inf).to(x),
        ((2, 8),),
    ),
    "a condition that floats round": (
        lambda x: x * 2,
        lambda x: x * 2 if x.shape[1] / 11 * 11 == x.shape[1] else x * 3,
        ((2, 12),),
    ),
    "a length that floats round": (
        lambda x: x * 2,
        lambda x: x * 2 if math.ceil(x.shape[1] * 0.1) * 10 > x.shape[1] else x * 3,
        ((2, 12),),
    ),
    "positions that floats round": (
        plus_positions,
        lambda x: x + (torch.arange(x.shape[1]) / 11 * 11).long(),
        ((2, 8),),
    ),
    "a sum of whole numbers": (
        lambda x: x.sum(1),
        lambda x: x.sum(1) if x.shape[1] <= 8 else x.sum(1, dtype=torch.int64).to(x),
        ((2, 8),),
    ),
    "a copy into whole numbers": (
        lambda x: x * 1,
        lambda x: x * 1 if x.shape[1] <= 8 else torch.zeros(x.shape, dtype=torch.int64).copy_(x).to(x),
        ((2, 8),),
    ),
    "whole numbers filled with a half": (
        lambda x: x + (x.shape[1] // 16) / 2,
        lambda x: x + torch.full((1,), (x.shape[1] // 16) / 2, dtype=torch.int64),
        ((2, 8),),
    ),
    "truths filled with a length": (
        lambda x: x + x.shape[1] // 16,
        lambda x: x + torch.full((1,), x.shape[1] // 16, dtype=torch.bool),
        ((2, 8),),
    ),
    "powers of 32 bits": (
        lambda x: x + torch.arange(x.shape[1]).to(x) ** 4,
        lambda x: x + (torch.arange(x.shape[1], dtype=torch.int32) ** 4).to(x),
        ((2, 8),),
    ),
    "several large factors": (
        lambda x: x + torch.arange(x.shape[1]) * 2.0**60,
        lambda x: x + torch.arange(x.shape[1]) * 2**20 * 2**20 * 2**20,
        ((2, 8),),
    ),
    "a write through a view of a view": (
        lambda x: torch.cat([x, x], 1),
        written_through_a_view,
        ((2, 4, 2),),
    ),
    "a logarithm of zero, clamped": (
        lambda x: x * 1,
        lambda x: x + ((x - 7).abs().log().clamp(max=50) == -torch.inf).to(x),
        ((2, 8),),
    ),
    "the largest of none": (
        lambda x: x * 1,
        lambda x: x + (x.masked_fill(x > 5, -torch.inf).amax(1, keepdim=True) == -torch.inf).to(x),
        ((2, 8),),
    ),
    "zero times infinity": (
        lambda x: x * 1,
        lambda x: x + 0 * (1 / (torch.arange(x.shape[1]) - 64.0)),
        ((2, 8),),
    ),
    "a move over itself": (lambda x: torch.cat([x[:, :1], x[:, :-1]], 1), moved_over_itself, ((2, 8),)),
}


@pytest.mark.parametrize(("one", "other", "shapes"), TRAPS.values(), ids=TRAPS)
def test_it_is_not_proved(one: Callable[..., Tensor], other: Callable[..., Tensor], shapes: Shapes) -> None:
    result = verify(Code(one), Code(other), shapes)
    assert (result.verdict in ("equal", "different"), result.sizes.status == "proved") == (True, False)


SAME: dict[str, tuple[Callable[..., Tensor], tuple[int, ...], str]] = {
    "the largest, where several nearly are": (
        lambda x: torch.where(x.softmax(1) >= x.softmax(1).amax(1, keepdim=True), x, 0),
        (4, 8),
        "proved",
    ),
    "a length as a bound": (lambda x: x.clamp(max=x.shape[1]), (2, 8), "proved"),
    "places of the largest": (lambda x: x + x.max(1, keepdim=True).indices, (2, 8), "unknown"),
    "a remainder of a number": (lambda x: x * torch.remainder(7, torch.arange(1, 9).sum()), (2, 8), "unknown"),
    "a branch at a length that no memory holds": (lambda x: x * 2 if x.shape[1] < 2**62 else x + x, (2, 12), "unknown"),
    "a length that floats round": (lambda x: x[:, : math.ceil(x.shape[1] * 0.2)].sum(1), (2, 5), "unknown"),
    "a half of a length": (lambda x: x * (x.shape[1] * 0.5), (2, 8), "proved"),
    "a third of a length": (lambda x: x[:, : math.ceil(x.shape[1] / 3)] * 2, (2, 9), "proved"),
    "an entry that is added to": (lambda x: added_to_first(x), (2, 8), "proved"),
}


def added_to_first(x: Tensor) -> Tensor:
    sums = x * 1
    sums[:, 0] += 1
    return sums


@pytest.mark.parametrize(("run", "shape", "status"), SAME.values(), ids=SAME)
def test_a_module_beside_itself_is_no_fault(run: Callable[..., Tensor], shape: tuple[int, ...], status: str) -> None:
    result = verify(Code(run), Code(run), (shape,))
    assert (result.verdict, result.sizes.status) == ("equal", status)


def test_what_a_module_keeps_is_not_proved() -> None:
    result = verify(Code(plus_positions), Cached(), ((2, 8),))
    assert (result.verdict, result.sizes.status) == ("equal", "unknown")


@pytest.mark.parametrize("by_itself", [False, True])
def test_an_option_that_depends_on_a_length_is_not_proved(by_itself: bool) -> None:
    result = verify(Padded(by_itself=True), Padded(by_itself), ((2, 2, 12), (5,)))
    assert (result.verdict, result.sizes.status) == ("equal", "unknown" if by_itself else "refuted")
