"""Of large weights less is held at a time; what is said of them is what is said of small ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from convcheck import verify
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof import build_pair, fingerprints
from convcheck.proof.evidence import reference_runs, repetition
from convcheck.proof.fingerprints import short
from convcheck.results import Agreement, Result, Verdict
from tests.rewrites.test_memory import peak

CLAIMS = [
    ("Linear(6, 5)", (2, 6), "linear-as-conv1x1"),
    ("Conv2d(2, 6, 2, stride=2)", (1, 2, 6, 6), "patchify-linear"),
    ("Conv2d(3, 4, 3, padding=1, bias=False)", (1, 3, 7, 6), "unfold-matmul"),
    ("Conv1d(2, 3, 3, padding=1)", (1, 2, 17), "fft"),
    ("Sequential(Conv2d(2, 3, 1), Conv2d(3, 2, 3))", (1, 2, 6, 6), "merge-convs"),
    ("Sequential(Conv2d(2, 3, 3, bias=False), BatchNorm2d(3))", (1, 2, 6, 6), "fold-batchnorm"),
]


@contextmanager
def all_large() -> Iterator[None]:
    """Take all weights as large."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (fingerprints, build_pair, reference_runs):
            patch.setattr(module, "MANY", 1)
        yield


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize(("layer", "shape", "rewrite"), CLAIMS)
def test_a_proof_says_the_same(layer: str, shape: tuple[int, ...], rewrite: str, dtype: Any) -> None:
    usual = verify(layer, shape, rewrite, dtype=dtype)
    with all_large():
        large = verify(layer, shape, rewrite, dtype=dtype)
    assert large.verdict is usual.verdict is Verdict.EQUAL
    for name in ("exact", "gradients", "weaknesses", "output_shape", "params", "referee"):
        assert getattr(large, name) == getattr(usual, name)
    assert large.error.max_abs == usual.error.max_abs
    # Magnitudes are made in float32, and are larger by what that may have lost.
    assert usual.error.bound is not None
    assert usual.error.bound <= large.error.bound <= 1.01 * usual.error.bound


@pytest.mark.kernels
def test_weights_are_held_fewer_times(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pieces of the real size are as large as these weights; of large ones they are a small part.
    for module in (fingerprints, repetition):
        monkeypatch.setattr(module, "PART", 4096)
    case = Case("large", parse_layer("Linear(600, 600)"), ((1, 600),), ("linear-as-conv1x1",))
    claim = Claim(case, "linear-as-conv1x1", catalogue()["linear-as-conv1x1"], ())
    usual = peak(claim)
    with all_large():
        large = peak(claim)
    weights = 8 * 600 * 600
    assert usual > 3.25 * weights
    assert large < 2.75 * weights


def test_wrong_weights_are_found() -> None:
    def wrong() -> Result:
        return verify(
            "Conv2d(3, 4, 2, stride=2)",
            (1, 3, 4, 4),
            "patchify-linear",
            transplant={"weight": "o i kh kw -> o (kh kw i)"},
        )

    usual = wrong()
    with all_large():
        large = wrong()
    assert large.verdict is usual.verdict is Verdict.DIFFERENT
    # Of large outputs digests are compared; where they differ, so are the numbers.
    assert large.reasons == usual.reasons
    assert (large.gradients, large.suggestions) == (usual.gradients, usual.suggestions)
    assert large.gradients.weight is Agreement.DIFFERENT


def test_the_weights_of_a_run_are_those_that_the_seed_draws() -> None:
    case = Case("large", parse_layer("Linear(6, 5)"), ((2, 6),), ("linear-as-conv1x1",), seed=3)
    claim = Claim(case, "linear-as-conv1x1", catalogue()["linear-as-conv1x1"], ())
    with all_large():
        reference = build_pair.build_pair(claim).reference
        assert all(parameter.is_meta for parameter in reference.module.parameters())
        weights = build_pair.weights_of(reference, case)
    torch.manual_seed(3)
    drawn = nn.Linear(6, 5)
    assert torch.equal(weights["weight"], drawn.weight)
    assert torch.equal(weights["bias"], drawn.bias)


@pytest.mark.parametrize("shape", [(7,), (3, 5), (6, 2), (2, 1, 4), (2, 3, 2, 2)])
def test_a_digest_is_equal_where_tensors_are(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    monkeypatch.setattr(fingerprints, "MANY", 1)
    monkeypatch.setattr(fingerprints, "PART", 4)
    numbers = torch.randn(shape, dtype=torch.float64)
    numbers.view(-1)[0] = 0.0
    digest = short(numbers)
    assert digest.numel() == 32

    def same(other: torch.Tensor) -> bool:
        return torch.equal(short(other), digest)

    assert same(numbers.clone())
    # However they lie in memory.
    assert same(numbers.movedim(0, -1).contiguous().movedim(-1, 0))
    signed = numbers.clone()
    signed.view(-1)[0] = -0.0
    assert same(signed)
    for place in range(numbers.numel()):
        changed = numbers.clone()
        changed.view(-1)[place] = torch.nextafter(changed.view(-1)[place], torch.tensor(9.0, dtype=torch.float64))
        assert not same(changed)
    assert not same(numbers.flatten().flip(0).reshape(shape))
    assert not same(numbers.unsqueeze(0))
    assert not same(numbers.float())


def test_nan_equals_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "MANY", 1)
    numbers = torch.tensor([1.0, torch.nan, 2.0])
    assert not torch.equal(short(numbers), short(numbers.clone()))


def test_few_numbers_stand_for_themselves() -> None:
    numbers = torch.ones(3)
    assert short(numbers) is numbers
