"""Hashes and signs of numbers are made piece by piece, and are those of the whole."""

from __future__ import annotations

import pytest
import torch

from convcheck.proof.evidence import repetition


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_pieces_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    values = torch.randn(3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).transpose(0, 2)
    values[0, 0, 0] = 0.0
    values[1, 1, 1] = -values[2, 2, 2]
    whole = repetition._hashes(values, 20, 1)
    signs = repetition._signs(values, whole, 3)
    monkeypatch.setattr(repetition, "PART", piece)
    assert torch.equal(repetition._hashes(values, 20, 1), whole)
    assert torch.equal(repetition._signs(values, whole, 3), signs)
    assert signs[0, 0, 0] == 0
    assert signs[1, 1, 1] == -signs[2, 2, 2]
    assert set(signs.flatten().tolist()) == {-1.0, 0.0, 1.0}
