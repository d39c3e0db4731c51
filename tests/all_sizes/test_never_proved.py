"""Pairs that are right at most sizes, and for reasons that a graph does not show: none of them is proved."""

from __future__ import annotations

from collections.abc import Callable

import islpy
import pytest
import torch
from torch import Tensor, nn

import convcheck
from convcheck.all_sizes import budget


class Of(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _writes_to_a_reshape(x: Tensor) -> Tensor:
    y = x.clone()
    # A view where one row is left, and else a copy.
    y[:, :, 9:].reshape(-1, x.shape[3]).add_(1)
    return y


def _writes_to_a_flattened_part(x: Tensor) -> Tensor:
    y = x.clone()
    torch.relu_(y[:, 5:].flatten(0, 1))
    return y


def _writes_to_a_cast(x: Tensor) -> Tensor:
    y = x.clone()
    y.to(torch.float32).mul_(2.0)
    return y


class Counting(nn.Module):
    """Another function after a hundred calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * (1.0 if self.calls < 100 else 3.0)


HALF = (torch.float16, torch.bfloat16)
SAME = Of(lambda x: x * 1.0)
NEVER = {
    "a write to a reshape": (SAME, Of(_writes_to_a_reshape)),
    "a write to a flattened part": (SAME, Of(_writes_to_a_flattened_part)),
    "a write to a cast": (SAME, Of(_writes_to_a_cast)),
    "axes that squeeze leaves": (SAME, Of(lambda x: x * (2.0 if x[:, :, 9:].squeeze(2).dim() == 3 else 1.0))),
    "a division by a length that may be zero": (SAME, Of(lambda x: x * (x.shape[2] - 7) / (x.shape[2] - 7))),
    "the mean of none": (Of(lambda x: x[:, :, 0] * 0), Of(lambda x: x[:, :, x.shape[2] // 7 * 7 :].mean(2) * 0)),
    "half precision": (SAME, Of(lambda x: x.bfloat16().float())),
    "a count of calls": (SAME, Counting()),
    "another result in the asked dtype": (SAME, Of(lambda x: x if x.dtype == torch.float64 else x + 1)),
    "another result in half precision": (SAME, Of(lambda x: x + 1 if x.dtype in HALF else x)),
    "a number of the dtype": (SAME, Of(lambda x: x * (x.element_size() // 4))),
}


@pytest.mark.parametrize(("reference", "candidate"), NEVER.values(), ids=NEVER)
def test_it_is_not_proved(reference: nn.Module, candidate: nn.Module) -> None:
    sizes = convcheck.verify(reference, (2, 8, 6, 6), candidate=candidate, all_sizes=True, dtype=torch.bfloat16).sizes
    assert sizes.status in ("refuted", "unknown")


def test_code_that_asks_for_a_dtype_is_proved_where_it_is_one_program() -> None:
    cast = Of(lambda x: x * torch.ones(x.shape[3], dtype=x.dtype).to(x.dtype))
    for dtype in (torch.float32, torch.bfloat16):
        assert (
            convcheck.verify(SAME, (2, 8, 6, 6), candidate=cast, all_sizes=True, dtype=dtype).sizes.status == "proved"
        )


def test_a_module_is_left_as_it_was() -> None:
    counting = Counting()
    convcheck.verify(SAME, (2, 8, 6, 6), candidate=counting, all_sizes=True)
    assert counting.calls == 0


def test_a_step_that_takes_isl_too_long_is_no_proof_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_OPERATIONS", 1000)
    before = islpy.DEFAULT_CONTEXT.get_max_operations()
    sizes = convcheck.verify(SAME, (2, 8, 6, 6), candidate=Of(lambda x: x + 0.0), all_sizes=True).sizes
    assert (sizes.status, sizes.obstacle) == ("unknown", "the relations are too large")
    assert islpy.DEFAULT_CONTEXT.get_max_operations() == before
    monkeypatch.undo()
    assert (
        convcheck.verify(SAME, (2, 8, 6, 6), candidate=Of(lambda x: x + 0.0), all_sizes=True).sizes.status == "proved"
    )


def test_a_trace_ends_with_the_time_of_a_proof_whatever_code_catches() -> None:
    traced_to_the_end: list[bool] = []

    def step_by_step(x: Tensor) -> Tensor:
        try:
            y = x * 1.0
        except Exception:  # as some code does
            y = x
        traced_to_the_end.append(isinstance(x.shape[0], torch.SymInt))
        return y

    result = convcheck.verify(
        Of(step_by_step), (2, 3, 8, 8), candidate=Of(step_by_step), all_sizes=True, proof_seconds=1e-9
    )
    assert result.sizes is not None
    assert (result.verdict.value, result.sizes.obstacle) == ("equal", "the time limit")
    assert True not in traced_to_the_end
