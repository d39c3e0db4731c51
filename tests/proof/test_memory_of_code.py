"""The memory that a proof of the user's own code needs is estimated by all that one run of a module makes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import convcheck
from convcheck.catalogue.claims import Claim
from convcheck.config.input_specs import parse_specs
from convcheck.proof import memory, verification
from convcheck.results import Result, Verdict
from convcheck.user_code.user_module import UserModule, bound_to
from tests.rewrites.test_memory import peak

pytestmark = pytest.mark.kernels


class Columns(nn.Module):
    """A convolution without a bias as a product of columns."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16, 144))

    def forward(self, x: Tensor) -> Tensor:
        columns = functional.unfold(x, 3, padding=1)
        return (self.weight @ columns).reshape(len(x), 16, *x.shape[-2:])


class Convolution(nn.Module):
    """The convolution that `Columns` is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


class Half(nn.Module):
    """Two operators that make values, among views."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).relu()[:, :2].mul(0.5)


def test_all_values_count_that_a_run_makes_and_a_gradient_of_each_and_views_do_not() -> None:
    layer = bound_to(UserModule("Half", Half(), "Half()"), parse_specs("3,8,4"), None, train=False)
    assert layer.im2col_size((3, 8, 4)) == 2 * (3 * 4 * 8 + 3 * 2 * 8)


class Sparse(nn.Module):
    """A product of a sparse matrix, which has no storage."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(x.to_sparse(), x.T)


def test_sparse_tensors_do_not_keep_a_module_from_its_run() -> None:
    layer = bound_to(UserModule("Sparse", Sparse(), "Sparse()"), parse_specs("3,4"), None, train=False)
    assert layer.output_shape() == (3, 3)


def test_the_memory_foretold_for_code_is_within_half_and_twice_its_peak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claims: list[Claim] = []
    verify = verification.verify

    def keep(claim: Claim) -> Result:
        claims.append(claim)
        return verify(claim)

    monkeypatch.setattr(verification, "verify", keep)
    source = {"weight": "conv.weight: o i kh kw -> o (i kh kw)"}
    result = convcheck.verify(Convolution(), (2, 16, 24, 24), candidate=Columns(), map=source)
    assert result.verdict is Verdict.EQUAL
    (claim,) = claims
    assert 0.5 <= memory.needed(claim) / peak(claim) <= 2
