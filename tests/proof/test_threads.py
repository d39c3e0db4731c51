"""Small claims are proved with one thread, large ones with all; the caller's number is given back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import convcheck
from convcheck.proof import threads

counts: set[int] = set()


class Counting(nn.Module):
    """Notes with how many threads it is run."""

    def forward(self, x: Tensor) -> Tensor:
        counts.add(torch.get_num_threads())
        return x * 2


class Raising(nn.Module):
    """Raises on every input."""

    def forward(self, x: Tensor) -> Tensor:
        raise ValueError(f"no such luck with {x.shape}")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    counts.clear()
    yield
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_a_small_claim_is_proved_with_one_thread() -> None:
    assert convcheck.verify(Counting(), (2, 3), candidate=Counting()).verdict == "equal"
    # How much work it is, one run with all of them tells.
    assert counts == {1, 2}


def test_a_large_claim_is_proved_with_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST_WORK_OF_ONE", 1)
    assert convcheck.verify(Counting(), (2, 3), candidate=Counting()).verdict == "equal"
    assert counts == {2}


def test_threads_are_given_back_where_a_claim_cannot_be_run() -> None:
    assert convcheck.verify(Raising(), (2, 4), candidate=Raising()).verdict == "error"
