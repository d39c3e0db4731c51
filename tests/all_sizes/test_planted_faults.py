"""A fault of a rewrite is refuted with one channel, too: candidates are made for channels as they are."""

from __future__ import annotations

import dataclasses

import pytest
from torch import Tensor

from benchmarks.all_sizes_claims import both_of, claim_of, proof_of
from benchmarks.planting import around
from convcheck.all_sizes import budget
from convcheck.catalogue.catalogue import catalogue
from convcheck.layers import parse_layer
from convcheck.results import SizesStatus
from convcheck.sizes.patterns import Shape

SECONDS = 60.0
ONE_CHANNEL: dict[str, tuple[str, Shape]] = {
    "explicit-pad": ("Conv2d(1, 3, 3, padding=1, padding_mode='reflect')", (2, 1, 5, 5)),
    "flatten-linear": ("Conv2d(1, 4, (2, 3))", (2, 1, 2, 3)),
    "indexed": ("rearrange('b c (h p) -> b h (p c)', p=2)", (2, 1, 6)),
    "merge-linears": ("Sequential(Linear(1, 6), Linear(6, 5))", (4, 1)),
    "merge-separable": ("Sequential(Conv1d(1, 3, 2), Conv1d(3, 3, 1))", (1, 1, 6)),
    "patchify-linear": ("Conv1d(1, 3, 2, stride=2)", (1, 6)),
}


def doubled_last(output: Tensor) -> Tensor:
    """Return an output whose last entry is doubled."""
    faulty = output.clone()
    faulty[(-1,) * output.dim()] *= 2
    return faulty


@pytest.mark.parametrize("rewrite", ONE_CHANNEL)
def test_a_fault_is_refuted(rewrite: str) -> None:
    layer, shape = ONE_CHANNEL[rewrite]
    claim = claim_of(rewrite, parse_layer(layer), (shape,))
    faulty = dataclasses.replace(claim, rewrite=around(claim, after=doubled_last))
    proof = proof_of(faulty, both_of(faulty), SECONDS)
    assert (proof.status, proof.obstacle) == (SizesStatus.REFUTED, None)


@pytest.mark.parametrize("rewrite", ONE_CHANNEL)
def test_without_a_fault_it_is_not_refuted(rewrite: str) -> None:
    layer, shape = ONE_CHANNEL[rewrite]
    claim = claim_of(rewrite, parse_layer(layer), (shape,))
    proof = proof_of(claim, both_of(claim), SECONDS)
    assert (proof.status, proof.counterexample) == (SizesStatus.PROVED, None)


def test_many_sizes_are_tried_where_the_relations_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_OPERATIONS", 200_000)
    layer = parse_layer("Conv3d(2, 2, 3, dilation=2, padding=2)")
    claim = claim_of("spacetobatch-conv", layer, ((1, 2, 6, 6, 6),))
    assert proof_of(claim, both_of(claim), SECONDS).obstacle == "the relations are too large"
    faulty = dataclasses.replace(claim, rewrite=around(claim, after=doubled_last))
    proof = proof_of(faulty, both_of(faulty), SECONDS)
    assert (proof.status, proof.obstacle) == (SizesStatus.REFUTED, None)


@pytest.mark.parametrize("rewrite", ["attention-sum", "multihead-sum", "toeplitz-matmul"])
def test_the_example_of_a_large_rewrite_is_proved(rewrite: str) -> None:
    layer = parse_layer(catalogue()[rewrite].example)
    claim = claim_of(rewrite, layer, catalogue()[rewrite].example_inputs or layer.example_inputs())
    assert proof_of(claim, both_of(claim), SECONDS).status is SizesStatus.PROVED


def test_a_dilated_kernel_of_a_large_rewrite_is_proved() -> None:
    claim = claim_of("toeplitz-matmul", parse_layer("Conv1d(2, 3, 3, dilation=2, padding=1)"), ((2, 2, 9),))
    assert proof_of(claim, both_of(claim), SECONDS).status is SizesStatus.PROVED
