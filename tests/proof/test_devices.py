"""Which devices are there is asked of torch, by number."""

from __future__ import annotations

import pytest
import torch

from convcheck.proof.devices import missing


@pytest.mark.parametrize(
    ("count", "device", "there"),
    [
        (0, "cpu", True),
        (0, "cuda", False),
        (0, "cuda:0", False),
        (1, "cuda", True),
        (1, "cuda:0", True),
        (1, "cuda:1", False),
        (2, "cuda:1", True),
    ],
)
def test_a_device_is_there_if_torch_counts_so_many(
    monkeypatch: pytest.MonkeyPatch, count: int, device: str, there: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert (missing(device) is None) is there
