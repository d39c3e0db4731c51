"""Numbers below the normal range: what storing, adding up and a platform that flushes them lose is in the bound."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from convcheck.config.checks import DType
from convcheck.proof.build_pair import build_pair
from convcheck.proof.evidence import derived_bound, reference_runs, underflow
from convcheck.proof.evidence.flushing import flushes
from convcheck.proof.pair import Pair
from convcheck.proof.verification import verify
from convcheck.results import Result, Verdict
from convcheck.rounding.precision import arithmetic
from convcheck.sides.sample import Sample
from tests.proof.test_numbers import as_kind, at_scales, claim, on, scaled

pytestmark = pytest.mark.kernels

CPU = torch.device("cpu")
NORMAL = torch.finfo(torch.float32).smallest_normal
DTYPES = ("float64", "float32", "bfloat16", "float16")


def notes(result: Result) -> list[str]:
    return [str(note) for note in result.notes if "flush" in str(note)]


def flushed(tensor: Tensor) -> Tensor:
    return torch.where(tensor.abs() < NORMAL, 0.0, tensor)


class Flushing(Pair):
    """A pair, one side of which reads and writes 0 for every float32 below the normal range."""

    side = "reference"

    def run_reference(self, sample: Sample) -> Tensor:
        return self._run("reference", super().run_reference, sample)

    def run_candidate(self, sample: Sample) -> Tensor:
        return self._run("candidate", super().run_candidate, sample)

    def _run(self, side: str, run: Callable[[Sample], Tensor], sample: Sample) -> Tensor:
        if side != self.side or sample.inputs[0].dtype != torch.float32:
            return run(sample)
        return flushed(run(sample.mapped(flushed)))


class Off(Pair):
    """A pair whose candidate is off in one place by a few smallest normal numbers of float32, and flushes none."""

    def run_candidate(self, sample: Sample) -> Tensor:
        output = super().run_candidate(sample)
        if output.dtype == torch.float32:
            output = output.clone()
            output[(0,) * output.ndim] += 4 * NORMAL
        return output


LAYERS = {
    "patchify-linear": "Conv2d(3, 8, 2, stride=2, bias=False)",
    "attention-sum": "scaled_dot_product_attention()",
    "merge-convs": "Sequential(Conv2d(3, 4, 1, bias=False), Conv2d(4, 2, 2, bias=False))",
    "fold-batchnorm": "Sequential(Conv2d(3, 4, 2), BatchNorm2d(4))",
    "matmul-fold": "ConvTranspose2d(3, 4, 2, bias=False)",
    "fft": "Conv1d(3, 4, 5, bias=False)",
}
TINY: dict[str, Callable[[Sample], Sample]] = {
    "an input below the normal range": lambda sample: Sample(
        tuple(tensor * (NORMAL / 4) for tensor in sample.inputs), sample.parameters
    ),
    "products below it": scaled(math.sqrt(NORMAL) / 2),
}


def verdict_of(
    monkeypatch: pytest.MonkeyPatch, kind: type[Pair], name: str, change: Callable[[Sample], Sample]
) -> Result:
    asked = on(claim("float32", LAYERS[name], name), change)
    monkeypatch.setattr("convcheck.proof.verification.build_pair", lambda claim: as_kind(kind, build_pair(claim)))
    return verify(asked)


@pytest.mark.parametrize("change", TINY.values(), ids=TINY.keys())
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_what_a_side_flushes_is_said_and_no_difference(
    monkeypatch: pytest.MonkeyPatch, side: str, name: str, change: Callable[[Sample], Sample]
) -> None:
    monkeypatch.setattr(Flushing, "side", side)
    result = verdict_of(monkeypatch, Flushing, name, change)
    assert result.verdict is Verdict.EQUAL, result.reason
    for note in notes(result):
        assert note.startswith(f"below 1.18e-38, the {side}'s kernels here flush numbers of float32 to zero")


def test_without_the_note_the_verdict_would_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    change = TINY["an input below the normal range"]
    assert notes(verdict_of(monkeypatch, Flushing, "patchify-linear", change))
    monkeypatch.setattr(derived_bound, "flushes", lambda *_: False)
    assert verdict_of(monkeypatch, Flushing, "patchify-linear", change).verdict is Verdict.DIFFERENT


def test_a_fault_as_small_is_not_excused_where_nothing_is_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    result = verdict_of(monkeypatch, Off, "patchify-linear", TINY["products below it"])
    assert result.verdict is Verdict.DIFFERENT
    assert not notes(result)


@pytest.fixture
def flush_denormal() -> Iterator[None]:
    """Have this processor flush; its other threads may have begun before, so there is one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot be told to flush")
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("flush_denormal")
@pytest.mark.parametrize("change", TINY.values(), ids=TINY.keys())
@pytest.mark.parametrize("name", LAYERS)
def test_a_processor_that_was_told_to_flush_makes_no_rewrite_wrong(
    name: str, change: Callable[[Sample], Sample]
) -> None:
    result = verify(on(claim("float32", LAYERS[name], name), change))
    assert result.verdict is Verdict.EQUAL, result.reason


@pytest.mark.usefixtures("flush_denormal")
def test_a_processor_that_was_told_to_flush_is_found_out() -> None:
    pair = build_pair(claim())
    assert flushes(pair.run_reference, pair.reference, arithmetic(torch.float32, CPU), CPU, "float32")


@pytest.mark.parametrize("name", LAYERS)
def test_float32_is_flushed_on_no_kernel_unless_it_is_told_to(name: str) -> None:
    pair = build_pair(claim("float32", LAYERS[name], name))
    unit = arithmetic(torch.float32, CPU)
    for run in (pair.run_reference, pair.run_candidate):
        assert not flushes(run, pair.reference, unit, CPU, "float32")


@pytest.mark.parametrize("name", ["unfold-matmul", "windows-sum", "loops", "fft", "patchify-linear"])
@pytest.mark.parametrize("powers", [(-19.0, -19.0), (-38.5, 0.0), (-39.0, 20.0)])
def test_bfloat16_is_never_different_whatever_its_kernels_flush(name: str, powers: tuple[float, ...]) -> None:
    """Where there are instructions for its products, they flush, whatever the processor was told."""
    result = verify(on(claim("bfloat16", "Conv2d(3, 8, 2, stride=2, bias=False)", name), at_scales(*powers)))
    assert result.verdict is Verdict.EQUAL, result.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_lost_below_the_normal_range_is_never_nothing(dtype: DType) -> None:
    info = torch.finfo(getattr(torch, dtype))
    unit = arithmetic(getattr(torch, dtype), CPU)
    smallest = info.smallest_normal * info.eps
    # Half of the smallest float64 is none.
    assert unit.underflow == (smallest if dtype == "float64" else smallest / 2) > 0
    assert 0 < unit.sum_underflow <= unit.underflow
    flushing = unit.flushing()
    assert flushing.underflow == info.smallest_normal
    wide = torch.finfo(torch.float32) if dtype in ("bfloat16", "float16") else info
    assert flushing.sum_underflow == 2 * wide.smallest_normal


def test_the_losses_between_two_layers_are_counted_one_by_one() -> None:
    """A stage rounds once, each of the 3 products in a sum loses s'/2 before, and the next stage multiplies both."""
    asked = claim("float16", "Sequential(Conv1d(3, 1, 1, bias=False), Conv1d(1, 1, 1, bias=False))", "merge-convs")
    pair = build_pair(dataclasses.replace(asked, case=dataclasses.replace(asked.case, inputs=((1, 3, 2),))))
    weights = {"0.weight": torch.full((1, 3, 1), 5.0), "1.weight": torch.full((1, 1, 1), -7.0)}
    sample = Sample((torch.tensor([[[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]]]),), weights).mapped(Tensor.double)
    unit = arithmetic(torch.float16, CPU)
    products = 3 * unit.sum_underflow / unit.underflow
    lost = underflow.lost_between(pair, sample, unit)
    assert torch.equal(torch.as_tensor(lost.reference), torch.full((1, 1, 2), 7 * (1 + products)).double())
    assert torch.equal(torch.as_tensor(lost.candidate), torch.tensor([[[9.0, 12.0]]]).double() * (1 + products))
    flushing = unit.flushing()
    products = 3 * flushing.sum_underflow / flushing.underflow
    lost = underflow.lost_between(pair, sample, flushing)
    assert torch.allclose(
        torch.as_tensor(lost.reference), torch.full((1, 1, 2), 7 * (2 + products)).double(), rtol=1e-15
    )
    assert underflow.flushed(pair, sample, unit, torch.zeros(1, 1, 2)) == 0.0


def test_factors_that_are_flushed_are_lost_with_all_that_they_are_multiplied_with() -> None:
    pair = build_pair(claim("float32", "Linear(3, 1, bias=False)", "linear-as-conv1x1"))
    sample = Sample((torch.tensor([[1e-39, 2.0, -1e-40]]),), {"weight": torch.tensor([[1e30, 1e-39, 3.0]])})
    sample = sample.mapped(Tensor.double)
    magnitude = reference_runs.float64_reference(pair, sample).magnitude
    lost = underflow.flushed(pair, sample, arithmetic(torch.float32, CPU).flushing(), magnitude)
    assert torch.allclose(torch.as_tensor(lost), torch.tensor([[1e-9]]).double(), rtol=1e-6)
