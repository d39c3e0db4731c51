"""Code of which no relation is read: it is refuted where torch shows a difference at sizes near those at hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import convcheck


class Positions(nn.Module):
    """Adds a row of a table to every token."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table(torch.arange(x.shape[1]))


class ClampedPositions(Positions):
    """Adds the ninth row to all tokens from the ninth on."""

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table(torch.arange(x.shape[1]).clamp(max=8))


class OfFourAtMost(nn.Module):
    """Leaves out what lies beyond the fourth image, one image after the other."""

    def forward(self, x: Tensor) -> Tensor:
        many = [x[number] * 2.0 for number in range(x.shape[0])]
        return torch.stack([one if number < 4 else one * 0.0 for number, one in enumerate(many)])


class Twice(nn.Module):
    """Doubles."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2.0


@pytest.mark.parametrize(
    ("reference", "candidate", "sizes"),
    [
        (Positions(), ClampedPositions(), {"input.0": 1, "input.1": 10, "input.2": 1}),
        (Twice(), OfFourAtMost(), {"input.0": 5, "input.1": 1, "input.2": 1}),
    ],
)
def test_the_smallest_sizes_at_which_torch_shows_a_difference_are_given(
    reference: nn.Module, candidate: nn.Module, sizes: dict[str, int]
) -> None:
    result = convcheck.verify(reference, (2, 3, 4), candidate=candidate, all_sizes=True)
    assert result.verdict.value == "equal"
    assert result.sizes.status == "refuted"
    assert result.sizes.counterexample is not None
    assert result.sizes.counterexample.sizes == sizes
