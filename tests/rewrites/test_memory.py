"""Candidates that would need far more memory than their operands work in parts, or refuse; parts change no value."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.proof_memory import LAYERS as PROVED
from benchmarks.proof_memory import claim_of
from convcheck.catalogue.catalogue import catalogue
from convcheck.catalogue.claims import Claim
from convcheck.config.case import Case
from convcheck.layers import parse_layer
from convcheck.proof import memory
from convcheck.proof.verification import verify
from convcheck.results import Agreement, Verdict
from convcheck.rewrites import toeplitz_matmul
from tests.strategies.layers import accepting

pytestmark = pytest.mark.kernels

IN_PARTS = ("broadcast-sum", "fft", "windows-sum")

LAYERS = {
    "many outputs": ("windows-sum", "Conv2d(4, 8, 5, stride=2, dilation=2)", (1, 4, 25, 25)),
    "a large batch": ("windows-sum", "Conv1d(6, 6, 9, padding=4, groups=2)", (40, 6, 20)),
    "many channels, no batch": ("windows-sum", "Conv1d(2, 60, 3, padding=1)", (2, 5)),
    "a volume": ("windows-sum", "Conv3d(2, 3, 3, padding=1)", (2, 2, 6, 7, 8)),
    "spectra of a large batch": ("fft", "Conv2d(3, 4, 3, dilation=2)", (12, 3, 9, 9)),
    "spectra of many kernels": ("fft", "Conv1d(2, 24, 4, stride=16)", (2, 2, 130)),
    "spectra of many inputs": ("fft", "ConvTranspose2d(40, 3, 4, stride=4)", (2, 40, 4, 4)),
    "spectra in groups, no batch": ("fft", "ConvTranspose1d(24, 24, 2, stride=8, groups=3)", (24, 5)),
    "spectra of a volume": ("fft", "Conv3d(4, 6, 3, stride=2)", (2, 4, 7, 7, 7)),
    "tokens": ("broadcast-sum", "Linear(16, 12)", (8, 16, 16)),
}


class Largest(TorchDispatchMode):
    """Sees every tensor that is made, views apart, and keeps the size of the largest in bytes."""

    nbytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        known = {tensor.untyped_storage()._cdata for tensor in tensors((args, kwargs))}
        new = (tensor.untyped_storage() for tensor in tensors(made))
        self.nbytes = max([self.nbytes, *(storage.nbytes() for storage in new if storage._cdata not in known)])
        return made


def tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, Tensor))


def integers(*shape: int) -> Tensor:
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(math.prod(shape))).double()


def operands(name: str, text: str, shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    """Build a candidate whose weights are integers, and an input of integers, in float64."""
    candidate = catalogue()[name].build(parse_layer(text), (shape,)).double()
    for parameter in candidate.parameters():
        parameter.data = integers(*parameter.shape)
    return candidate, integers(*shape).requires_grad_()


def forward(candidate: nn.Module, x: Tensor) -> tuple[Tensor, int]:
    with torch.no_grad(), Largest() as largest:
        y = candidate(x)
    return y, largest.nbytes


def gradients(candidate: nn.Module, x: Tensor) -> tuple[list[Tensor], int]:
    y = candidate(x)
    with Largest() as largest:
        found = torch.autograd.grad(y, [x, *candidate.parameters()], integers(*y.shape))
    # A transform lands next to the integers.
    return [gradient.round() for gradient in found], largest.nbytes


@pytest.mark.parametrize(("name", "text", "shape"), LAYERS.values(), ids=LAYERS.keys())
def test_no_part_is_larger_than_the_budget_and_parts_change_no_value(
    name: str, text: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate, x = operands(name, text, shape)
    (whole, at_most), (slopes, slopes_at_most) = forward(candidate, x), gradients(candidate, x)
    budget = 2 * max(tensor.nbytes for tensor in (x, whole, *candidate.parameters()))
    monkeypatch.setattr(importlib.import_module(type(candidate).__module__), "BYTES_AT_ONCE", budget)
    # How often it halves what it makes is decided when it is built.
    candidate, x = operands(name, text, shape)
    (parts, part_at_most), (part_slopes, part_slopes_at_most) = forward(candidate, x), gradients(candidate, x)
    assert part_at_most <= budget < at_most
    # Backwards, a transform of real numbers takes its whole spectrum, of which the half is all that the budget counts.
    assert part_slopes_at_most <= 2 * budget < slopes_at_most
    assert torch.equal(parts.round(), whole.round())
    assert all(map(torch.equal, part_slopes, slopes))


@pytest.mark.parametrize("name", IN_PARTS)
@given(data=st.data())
def test_the_proof_holds_for_any_budget(name: str, data: st.DataObject) -> None:
    rewrite = catalogue()[name]
    layer, shapes = data.draw(st.one_of(accepting(rewrite)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module(rewrite.candidate.__module__), "BYTES_AT_ONCE", data.draw(budgets))
        result = verify(Claim(Case("drawn", layer, shapes, (name,)), name, rewrite, ()))
    assert result.verdict is Verdict.EQUAL, result.reason
    assert result.exact.status is Agreement.IDENTICAL


budgets = st.integers(8, 14).map(lambda bits: 2**bits)


def test_loops_hold_nothing_larger_than_their_operands() -> None:
    candidate, x = operands("loops", "Conv2d(4, 6, 5)", (2, 4, 12, 12))
    y, at_most = forward(candidate, x)
    assert at_most <= max(tensor.nbytes for tensor in (x, y, *candidate.parameters()))


def test_loops_refuse_by_the_positions_that_would_be_few_enough() -> None:
    layer = parse_layer("Conv2d(3, 768, kernel_size=16, stride=16)")
    (refusal,) = catalogue()["loops"].refuse(layer, ((8, 3, 224, 224),))
    assert str(refusal).startswith("size is 1,568 output positions, and needs to be 1,024 at most")
    assert not catalogue()["loops"].refuse(layer, ((1, 3, 512, 512),))
    assert catalogue()["loops"].refuse(layer, ((1, 3, 512, 528),))


@pytest.mark.parametrize(
    "text", ["Conv2d(3, 768, kernel_size=16, stride=16)", "ConvTranspose2d(768, 3, 16, stride=16)", "Conv1d(4, 4, 4)"]
)
def test_a_toeplitz_matrix_is_refused_with_the_largest_input_that_would_fit(text: str) -> None:
    rewrite, layer = catalogue()["toeplitz-matmul"], parse_layer(text)
    (refusal,) = rewrite.refuse(layer, ((8, layer.in_channels, *[4096] * layer.dims),))
    named = re.search(r"; an input of ([0-9 x]+) would fit$", str(refusal))
    assert named
    channels, *space = map(int, named[1].split(" x "))
    assert not rewrite.refuse(layer, ((8, channels, *space),))
    assert rewrite.refuse(layer, ((8, channels, *(length + 1 for length in space)),))


def test_where_no_input_is_small_enough_for_a_toeplitz_matrix_none_is_named() -> None:
    layer = parse_layer("Conv1d(2048, 4096, 1)")
    (refusal,) = catalogue()["toeplitz-matmul"].refuse(layer, ((1, 2048, 1),))
    assert str(refusal).endswith("; no input with equally long axes is small enough")


def test_a_toeplitz_matrix_is_the_largest_tensor_of_its_candidate() -> None:
    shape = (2, 3, 8, 9)
    layer = parse_layer("Conv2d(3, 4, 3, padding=1)")
    candidate, x = operands("toeplitz-matmul", str(layer), shape)
    rows, columns = toeplitz_matmul.matrix_shape(layer, shape)
    # While it is filled its last axis has one position more, for taps that read zeros.
    assert forward(candidate, x)[1] == 8 * rows * columns * (1 + shape[-1]) // shape[-1]
    assert rows * columns <= toeplitz_matmul.MOST_ENTRIES


def peak(claim: Claim) -> int:
    """Return the most bytes that torch held on the CPU at a time while it proved a claim, its kernels' buffers too."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        assert verify(claim).verdict is Verdict.EQUAL
    held = most = 0
    for event in recorded.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def test_the_memory_of_every_rewrite_is_measured() -> None:
    assert list(PROVED) == list(catalogue())


@pytest.mark.parametrize("name", PROVED)
def test_the_memory_foretold_for_a_proof_is_within_half_and_twice_its_peak(name: str) -> None:
    claim = claim_of(name)
    assert 0.5 <= memory.needed(claim) / peak(claim) <= 2


@pytest.mark.parametrize(
    ("name", "text", "shape"),
    [
        ("unfold-matmul", "Conv2d(16, 64, 10)", (16, 16, 10, 10)),  # the weight's gradient by every image
        ("fft", "Conv2d(1, 1, 3)", (1, 1, 129, 129)),  # spectra of four times as many points
        ("fft", "Conv2d(32, 64, 3, padding=1)", (1, 32, 6, 6)),  # spectra of kernels
        ("winograd", "Conv2d(64, 64, 3, padding=1)", (1, 64, 6, 6)),
        ("linear-as-conv1x1", "Linear(512, 8)", (256, 512)),  # of the signs of repeated products
        ("windows-sum", "Conv2d(8, 8, 5, padding=2)", (1, 8, 32, 32)),
        ("taps-sum", "Conv2d(3, 16, 7, stride=2, padding=3)", (2, 3, 64, 64)),
        ("zerostuffed-conv", "Conv2d(8, 8, 3, dilation=7)", (1, 8, 32, 32)),
        ("matmul-fold", "ConvTranspose2d(64, 8, 5, groups=2)", (2, 64, 12, 12)),
    ],
)
def test_it_is_where_one_kind_of_tensor_outweighs_the_others(name: str, text: str, shape: tuple[int, ...]) -> None:
    claim = Claim(Case("c", parse_layer(text), (shape,), (name,)), name, catalogue()[name], ())
    assert 0.5 <= memory.needed(claim) / peak(claim) <= 2


def test_where_outputs_outweigh_all_else_the_tensors_that_are_alive_are_counted() -> None:
    name, layer, shape = "linear-as-conv1x1", parse_layer("Linear(2, 512)"), (512, 2)
    claim = Claim(Case("c", layer, (shape,), (name,)), name, catalogue()[name], ())
    output = 8 * math.prod(layer.output_shape(shape))
    # Without the share of what holds them, which is a matter of the allocator.
    counted = memory.needed(claim) * 8 // memory._BYTES
    assert abs(counted - peak(claim)) < output / 2
