"""Pairs that are right at most sizes, and for reasons that a graph does not show: none of them is proved."""

from __future__ import annotations

import functools
import numbers
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


def _matches_a_number(x: Tensor) -> Tensor:
    match x.shape[-1]:
        case int() if x.shape[-1] > 1000:
            return x + 1
    return x


@functools.singledispatch
def _is_long(_: object) -> bool:
    return False


@_is_long.register
def _(length: int) -> bool:
    return length > 1000


# Each is x, and x + 1 from a length on, or at one.
OF_PYTHON = {
    "the length of a text": Of(lambda x: x + (len(str(x.shape[-1])) > 3)),
    "a table of texts": Of(lambda x: x + {"8x1230": 1}.get(f"{x.shape[1]}x{x.shape[-1]}", 0)),
    "the end of a text": Of(lambda x: x + ("%s" % x.shape[-1]).endswith("77")),  # noqa: UP031  # as some code does
    "a shape as a text": Of(lambda x: x + (repr(tuple(x.shape)) == "(1, 8, 3, 1230)")),
    "texts that are joined": Of(lambda x: x + (",".join(map(str, x.shape)) == "1,8,3,1230")),
    "the text of a comparison": Of(lambda x: x + (str(x.shape[-1] > 1000) == "True")),
    "a type": Of(lambda x: x + (type(x.shape[-1]) is int and x.shape[-1] > 1000)),
    "the type of a quotient": Of(lambda x: x + (type(x.shape[-1] / 2) is float and x.shape[-1] > 1000)),
    "a class": Of(lambda x: x + (isinstance(x.shape[-1], int) and x.shape[-1] > 1000)),
    "an attribute": Of(lambda x: x + (x.shape[-1].__class__ is int and x.shape[-1] > 1000)),
    "a class of numbers": Of(lambda x: x + (isinstance(x.shape[-1], numbers.Integral) and x.shape[-1] > 1000)),
    "a function of a type": Of(lambda x: x + _is_long(x.shape[-1])),
    "an attribute of numbers": Of(lambda x: x + (getattr(x.shape[-1], "real", 0) > 1000)),
    "the type of a tensor": Of(lambda x: x + (type(x) is Tensor and x.shape[-1] > 1000)),
    "a pattern": Of(_matches_a_number),
    "a comparison that is true": Of(lambda x: x + ((x.shape[-1] > 1000) is True)),
}


@pytest.mark.parametrize("candidate", OF_PYTHON.values(), ids=OF_PYTHON)
def test_what_python_makes_of_a_length_is_not_proved_for_every_length(candidate: nn.Module) -> None:
    sizes = convcheck.verify(SAME, (2, 8, 6, 6), candidate=candidate, all_sizes=True).sizes
    assert "input.3" not in sizes.free
    assert sizes.status != "proved" or sizes.fixed["input.3"] == 6


@pytest.mark.parametrize("condition", ["str(x.shape[-1]) == '1230'", "type(x.shape[-1]) is int and x.shape[-1] > 1000"])
def test_so_it_is_of_code_that_a_user_types(condition: str) -> None:
    names = {"__name__": "__main__"}
    exec(f"typed = lambda x: x + ({condition})", names)
    sizes = convcheck.verify(SAME, (2, 8, 6, 6), candidate=Of(names["typed"]), all_sizes=True).sizes  # type: ignore[arg-type]
    assert "input.3" not in sizes.free


def test_code_that_asks_for_the_type_of_a_length_and_does_the_same_is_proved() -> None:
    def padded(x: Tensor) -> Tensor:
        length = x.shape[-1]
        pair = (length, length) if isinstance(length, int) else length
        return x.reshape(x.shape[0], x.shape[1], x.shape[2], pair[0]) * 1.0

    assert convcheck.verify(SAME, (2, 8, 6, 6), candidate=Of(padded), all_sizes=True).sizes.status == "proved"
    assert "type" not in globals()
    assert type(torch.SymInt.__repr__).__name__ == "function"


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
