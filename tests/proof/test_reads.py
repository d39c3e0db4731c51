"""What one side reads and the other does not is the first reason, where nothing else explains a difference."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import convcheck

Forward = Callable[[nn.Module, Tensor], Tensor]


class Blend(nn.Module):
    """A Linear, and what a function makes of it."""

    def __init__(self, function: Forward) -> None:
        super().__init__()
        self.function = function
        self.linear = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def scaled(one: nn.Module, x: Tensor) -> Tensor:
    return one.linear(x) * one.scale


def gelu(one: nn.Module, x: Tensor) -> Tensor:
    return functional.gelu(one.linear(x) * one.scale)


NAMED = {
    "a parameter": (scaled, lambda one, x: one.linear(x), "the candidate's output does not depend on scale"),
    "a bias before a function that is no polynomial": (
        gelu,
        lambda one, x: functional.gelu(functional.linear(x, one.linear.weight) * one.scale),
        "the candidate's output does not depend on linear.bias, and the reference's does",
    ),
    "a parameter of the reference that nothing needs": (
        lambda one, x: one.linear(x),
        scaled,
        "the reference's output does not depend on scale, and the candidate's does",
    ),
    "positions of the input": (
        lambda one, x: scaled(one, x[:, :4].sum(1)),
        lambda one, x: scaled(one, x[:, 2:].sum(1)),
        "along axis 1 of input, of length 6, the reference reads 0 to 3, and the candidate 2 to 5",
    ),
    "positions with gaps": (
        lambda one, x: scaled(one, x[:, 4:5]),
        lambda one, x: scaled(one, x[:, ::3].sum(1, keepdim=True)),
        "along axis 1 of input, of length 6, the reference reads 4, and the candidate 2 places of 0 to 3",
    ),
}


@pytest.mark.parametrize(("ours", "theirs", "text"), NAMED.values(), ids=NAMED.keys())
def test_what_one_side_alone_reads_is_the_first_reason(ours: Forward, theirs: Forward, text: str) -> None:
    result = convcheck.verify(Blend(ours), (2, 6, 4), candidate=Blend(theirs))
    assert (result.verdict, str(result.reasons[0]).startswith(text)) == ("different", True)


def test_what_a_detach_hides_from_gradients_is_not_called_unread() -> None:
    hidden = Blend(lambda one, x: 2 * scaled(one, x.detach()) ** 2)
    result = convcheck.verify(Blend(scaled), (2, 6, 4), candidate=hidden)
    assert result.verdict == "different"
    assert not [text for text in map(str, result.reasons) if "depend on" in text or "reference reads" in text]
