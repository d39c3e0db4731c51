"""Outputs are compared slice by slice; what comes of it is what comes of the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from convcheck import verify
from convcheck.proof.evidence import slices as module
from convcheck.proof.evidence.slices import slices
from convcheck.results import Result, Verdict


@pytest.mark.parametrize("shape", [(), (1,), (7,), (1, 1, 5, 3), (3, 1, 4), (2, 1, 1), (1, 9, 2, 2)])
@pytest.mark.parametrize("values", [1, 5, 1000])
def test_slices_are_the_output_in_order(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], values: int) -> None:
    monkeypatch.setattr(module, "PART", values)
    output = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    pieces = list(slices(shape))
    assert torch.equal(torch.cat([piece.of(output).reshape(-1) for piece in pieces]), output.reshape(-1))
    for piece in pieces:
        assert output[piece.place(len(shape))] == piece.of(output).reshape(-1)[0]


@pytest.mark.parametrize("values", [1, 5, 1000])
def test_what_broadcasts_to_the_output_is_cut_as_it_is(monkeypatch: pytest.MonkeyPatch, values: int) -> None:
    monkeypatch.setattr(module, "PART", values)
    output = torch.zeros(1, 4, 3, 2)
    for term in (torch.rand(4, 1, 1), torch.rand(2), torch.rand(()), torch.rand(1, 1, 3, 1), torch.rand(1, 4, 3, 2)):
        whole = output + term
        for piece in slices(output.shape):
            assert torch.equal(piece.of(output) + piece.of(term), piece.of(whole))
    assert all(piece.of(0.5) == 0.5 for piece in slices(output.shape))


CLAIMS = {
    "a bias a channel": ("Conv2d(3, 6, 2, stride=2)", (1, 3, 8, 8), "patchify-linear"),
    "a batch": ("Conv2d(3, 6, 2, stride=2)", (3, 3, 8, 8), "patchify-linear"),
    "a transform": ("Conv1d(2, 3, 3, padding=1)", (1, 2, 17), "fft"),
    "a chain": ("Sequential(Conv2d(2, 3, 1), Conv2d(3, 2, 3))", (1, 2, 6, 6), "merge-convs"),
    "one axis": ("Linear(5, 7)", (5,), "linear-as-conv1x1"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("claim", CLAIMS)
def test_all_that_is_measured_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch, claim: str, dtype: str) -> None:
    layer, shape, rewrite = CLAIMS[claim]

    def measured(values: int) -> Result:
        monkeypatch.setattr(module, "PART", values)
        return verify(layer, shape, rewrite, dtype=dtype)

    whole, sliced = measured(10**6), measured(3)
    assert whole.verdict is sliced.verdict is Verdict.EQUAL
    assert sliced.error == whole.error
    assert replace(sliced, seconds=0, referee=whole.referee) == replace(whole, seconds=0)


@pytest.mark.parametrize("values", [3, 10**6])
def test_a_fault_in_one_slice_is_found_where_it_is(monkeypatch: pytest.MonkeyPatch, values: int) -> None:
    monkeypatch.setattr(module, "PART", values)
    layer = torch.nn.Conv2d(2, 4, 2, stride=2)

    class Wrong(torch.nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = torch.zeros(1, 4, 3, 3)
            mask[0, 2, 1, 1] = 1
            y = super().forward(x)
            return y + mask.to(y) * y.abs().clamp(min=1e-3)

    result = verify(layer, (1, 2, 6, 6), candidate=Wrong(2, 4, 2, stride=2), trust=True)
    assert result.verdict is Verdict.DIFFERENT
    assert result.error.at == (0, 2, 1, 1)
