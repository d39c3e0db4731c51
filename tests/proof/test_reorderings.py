"""A weight in a wrong order of axes is named where signatures do not tell: behind a function, or before a weight."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import gelu

import convcheck


class Embed(nn.Module):
    """A patch embedding, and a layer on its tokens."""

    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.proj, self.out, self.act = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 8), act

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.proj(x).flatten(2).transpose(1, 2)))


class ByHand(nn.Module):
    """The same as a Linear on patches, whose features stand in an order."""

    def __init__(self, act: Callable[[Tensor], Tensor], order: str) -> None:
        super().__init__()
        self.proj, self.out, self.act, self.order = nn.Linear(48, 8), nn.Linear(8, 8), act, order

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.proj(rearrange(x, f"b i (h p) (w q) -> b (h w) ({self.order})", p=4, q=4))))


ACTS = {"a GELU": gelu, "a square": torch.square, "another weight": nn.Identity()}
ORDERS = {"p q i": "o i kh kw -> o (kh kw i)", "i q p": "o i kh kw -> o (i kw kh)"}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
@pytest.mark.parametrize("order", ORDERS)
def test_the_order_that_matches_is_named_and_matches(act: Callable[[Tensor], Tensor], order: str) -> None:
    def result(pattern: str) -> convcheck.Result:
        weights = {"proj.weight": f"proj.weight: {pattern}"}
        return convcheck.verify(Embed(act), (2, 3, 8, 12), candidate=ByHand(act, order), map=weights)

    wrong = result("o i kh kw -> o (i kh kw)")
    assert (wrong.verdict, wrong.suggestion) == ("different", ORDERS[order])
    assert result(str(wrong.suggestion)).verdict == "equal"


class Transposed(nn.Module):
    """Two products, the second with its weight as it is, or transposed by mistake."""

    def __init__(self, mistaken: bool) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6, bias=False), nn.Parameter(torch.randn(6, 6))
        self.mistaken = mistaken

    def forward(self, x: Tensor) -> Tensor:
        return gelu(self.a(x)) @ (self.b.T if self.mistaken else self.b)


def test_a_forgotten_transpose_is_named() -> None:
    result = convcheck.verify(Transposed(False), (5, 6), candidate=Transposed(True))
    assert (result.verdict, result.suggestions["b"]) == ("different", "b: a0 a1 -> a1 a0")


def test_nothing_is_named_where_no_order_matches() -> None:
    result = convcheck.verify(Embed(gelu), (2, 3, 8, 12), candidate=ByHand(torch.relu, "i p q"), map={
        "proj.weight": "proj.weight: o i kh kw -> o (i kh kw)"
    })  # fmt: skip
    assert (result.verdict, result.suggestion) == ("different", None)
