"""Sides that differ on few numbers, masks or whole numbers are told apart, or what was not tried is said.

The oracle is plain torch in float64: every pair is shown to differ somewhere, or to agree there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # as everybody calls it
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import convcheck
from convcheck.results import Agreement, Kind, Result, Verdict
from convcheck.tracing.live_operators import CHOOSING
from convcheck.tracing.operators import activation
from convcheck.tracing.pieces import REGIONS

Function = Callable[..., Tensor]


class Layer(nn.Module):
    """A function of inputs, a weight and what else a test gives it."""

    def __init__(self, function: Function, rows: int = 4, **buffers: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, rows * 6).reshape(rows, 6))
        self.function = function
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(self, *inputs)


def linear(self: Any, x: Tensor, *_: Tensor) -> Tensor:
    return F.linear(x, self.weight)


def rectified(self: Any, x: Tensor) -> Tensor:
    return F.relu(linear(self, x))


def rows(self: Any, index: Tensor) -> Tensor:
    return F.embedding(index, self.weight)


def hidden(self: Any, x: Tensor, mask: Tensor) -> Tensor:
    return linear(self, x) * mask.unsqueeze(-1)


def times(self: Any, x: Tensor, whole: Tensor) -> Tensor:
    return linear(self, x) * whole.unsqueeze(-1)


class Pair(NamedTuple):
    """Two functions that differ at `where` alone, among numbers that a test would draw."""

    reference: Function
    candidate: Function
    where: tuple[Tensor, ...]
    input: str | list[str] = "3,6"
    rows: int = 4


LARGE, NEGATIVE = torch.full((3, 6), 1e3), torch.full((3, 6), -1.0)
X, MASKED, COUNTED = torch.ones(3, 6), ["3,6", "bool 3"], ["3,6", "int 3"]

DIFFERENT = {
    "a cut at 6": Pair(rectified, lambda self, x: F.relu6(linear(self, x)), (LARGE,)),
    "a cut at 10,000": Pair(rectified, lambda self, x: rectified(self, x).clamp(max=1e4), (1e3 * LARGE,)),
    "a choice beyond 100": Pair(linear, lambda self, x: linear(self, torch.where(x > 100, 0.0, x)), (LARGE,)),
    "a threshold below all": Pair(
        rectified, lambda self, x: torch.where((y := linear(self, x)) < -30, y, F.relu(y)), (LARGE * -1,)
    ),
    "a swish without its upper cut": Pair(lambda _, x: F.hardswish(x), lambda _, x: x * F.relu(x + 3) / 6, (LARGE,)),
    "no eps beside a norm": Pair(
        lambda _, x: F.normalize(x), lambda _, x: x / x.norm(dim=1, keepdim=True), (torch.zeros(3, 6),)
    ),
    "a mask of all": Pair(
        hidden,
        lambda self, x, mask: hidden(self, x, mask) * torch.where(mask.all(), 2.0, 1.0),
        (X, X[:, 0] > 0),
        MASKED,
    ),
    "a mask of none": Pair(
        lambda self, x, mask: hidden(self, x, ~mask),
        lambda self, x, mask: hidden(self, x, ~mask) * torch.where(mask.any(), 1.0, 2.0),
        (X, X[:, 0] < 0),
        MASKED,
    ),
    "a square of whole numbers": Pair(
        times, lambda self, x, whole: times(self, x, whole * whole), (X, torch.tensor([0, 1, 2])), COUNTED
    ),
    "a quotient of whole numbers": Pair(
        lambda self, x, whole: times(self, x, whole // 4),
        lambda self, x, whole: times(self, x, whole // 5),
        (X, torch.tensor([4, 4, 4])),
        COUNTED,
    ),
    "the last of many rows": Pair(
        rows,
        lambda self, index: rows(self, index) * (index != 99).unsqueeze(-1),
        (torch.tensor([[99, 0, 1]]),),
        ["int 1,3"],
        100,
    ),
    "one kind of ten": Pair(
        lambda self, index: F.one_hot(index, 10).to(self.weight.dtype) @ self.weight,
        lambda self, index: F.one_hot(index.clamp(max=8), 10).to(self.weight.dtype) @ self.weight,
        (torch.tensor([[9, 0, 1]]),),
        ["int 1,3"],
        10,
    ),
}


def verified(reference: nn.Module, candidate: nn.Module, given: str | list[str] = "3,6", **options: Any) -> Result:
    return convcheck.verify(reference, given, candidate=candidate, **options)


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_a_difference_in_few_places_is_met(pair: Pair) -> None:
    reference, candidate = (Layer(one, pair.rows) for one in (pair.reference, pair.candidate))
    with torch.no_grad():
        assert not torch.equal(reference(*pair.where), candidate(*pair.where))
    result = verified(reference, candidate, pair.input)
    assert result.verdict is Verdict.DIFFERENT
    # What is right on most numbers is no matter of a layout.
    assert (result.suggested_layout, result.suggestions) == (None, {})


def differ_only_by_drawn_parameters(reference: Function, candidate: Function, where: Tensor) -> bool:
    """Tell whether they differ where the weight begins with `where`, and not by the weight they are built with."""
    sides = Layer(reference), Layer(candidate)
    agree = torch.equal(sides[0](X), sides[1](X))
    with torch.no_grad():
        for side in sides:
            side.weight.flatten()[: where.numel()] = where
    return agree and not torch.equal(sides[0](X), sides[1](X))


def test_a_zero_among_parameters_of_which_the_largest_counts_is_met() -> None:
    def largest(self: Any, x: Tensor) -> Tensor:
        return linear(self, x) + self.weight.amax()

    def or_zero(self: Any, x: Tensor) -> Tensor:
        return linear(self, x) + torch.cat([self.weight.flatten(), torch.zeros(1)]).amax()

    assert differ_only_by_drawn_parameters(largest, or_zero, torch.full((24,), -1.0))
    assert verified(Layer(largest), Layer(or_zero)).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("signs", [(1, 1, -1), (1, -1, 1), (-1, 1, 1), (-1, -1, 1), (-1, 1, -1), (1, -1, -1)])
def test_a_difference_that_needs_three_signs_is_met_where_no_exact_probe_says_as_much(
    signs: tuple[int, int, int],
) -> None:
    of_a_kind = torch.tensor(signs)

    def with_a_fault(self: Any, x: Tensor) -> Tensor:
        return linear(self, x) + F.relu(self.weight[0, :3] * of_a_kind).prod()

    assert differ_only_by_drawn_parameters(linear, with_a_fault, of_a_kind.float())
    assert verified(Layer(linear), Layer(with_a_fault)).verdict is Verdict.DIFFERENT


EQUAL = {
    "a swish of its parts": Pair(lambda _, x: F.hardswish(x), lambda _, x: x * F.relu6(x + 3) / 6, ()),
    "one-hot rows": Pair(
        rows, lambda self, index: F.one_hot(index, 10).to(self.weight.dtype) @ self.weight, (), ["int 1,3"], 10
    ),
    "a mask after and before": Pair(hidden, lambda self, x, mask: linear(self, x * mask.unsqueeze(-1)), (), MASKED),
    "whole numbers after and before": Pair(
        times, lambda self, x, whole: linear(self, x * whole.unsqueeze(-1)), (), COUNTED
    ),
    "a checkpoint": Pair(linear, lambda self, x: checkpoint(lambda y: linear(self, y), x, use_reentrant=False), ()),
}


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_what_agrees_everywhere_is_equal_and_not_weak(pair: Pair) -> None:
    result = verified(Layer(pair.reference, pair.rows), Layer(pair.candidate, pair.rows), pair.input)
    assert result.verdict is Verdict.EQUAL
    assert not [one for one in result.weaknesses if "no numbers" in one.text]
    assert Agreement.DIFFERENT not in (result.gradients.input, result.gradients.weight)


def branching(self: Any, x: Tensor) -> Tensor:
    return linear(self, x) * (2 if x.abs().max().item() > 1e3 else 1)


def far(self: Any, x: Tensor) -> Tensor:
    return torch.where(x > 1e30, 0.0, linear(self, x).repeat(1, 2)[:, :6])


@pytest.mark.parametrize(
    ("reference", "candidate", "text"),
    [
        (Layer(linear), Layer(branching), "a black box may do something else"),
        (Layer(lambda self, x: linear(self, x).repeat(1, 2)[:, :6]), Layer(far), "met one side of gt"),
        (
            Layer(lambda self, x: linear(self, x) + self.shift, shift=torch.zeros(4)),
            Layer(linear, shift=torch.zeros(4)),
            "the buffer shift is zeros",
        ),
        (Layer(lambda self, x: linear(self, x) * self.scale, scale=torch.ones(4)), Layer(linear), "scale is ones"),
    ],
)
def test_what_was_not_tried_is_said(reference: nn.Module, candidate: nn.Module, text: str) -> None:
    result = verified(reference, candidate)
    assert result.verdict is Verdict.EQUAL
    assert [weakness for weakness in result.weaknesses if text in weakness.text]


def test_a_buffer_that_both_sides_use_is_no_weakness() -> None:
    reference = Layer(lambda self, x: linear(self, x) * self.scale, scale=torch.ones(4))
    candidate = Layer(lambda self, x: F.linear(x, self.weight * self.scale.unsqueeze(-1)), scale=torch.ones(4))
    assert not [one for one in verified(reference, candidate).weaknesses if "buffer" in one.text]


def test_every_piecewise_operator_has_regions_or_none_that_could_be_met() -> None:
    assert set(REGIONS) <= CHOOSING
    stepping = {"floor", "ceil", "round", "trunc", "frac", "fmod", "remainder", "floor_divide"}
    named = {name for why in ("cuts off", "is piecewise") for name in activation._WHY[why].split()}
    assert named == {*REGIONS, *stepping} - {"elu", "selu", "celu", "softplus", "maximum", "minimum", "fmax", "fmin"}


class Clipped(torch.autograd.Function):
    """Copies, and leaves out small gradients."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return torch.where(gradient.abs() < 0.5, 0.0, gradient)


def test_gradients_that_code_computes_are_not_identical_for_all() -> None:
    result = verified(Layer(linear), Layer(lambda self, x: Clipped.apply(linear(self, x))))  # type: ignore[no-untyped-call]
    assert result.verdict is Verdict.EQUAL
    assert {result.gradients.input, result.gradients.weight} == {Agreement.NOT_APPLICABLE}


def test_a_hook_on_the_gradient_of_a_parameter_is_code_that_computes_it() -> None:
    candidate = Layer(linear)
    candidate.weight.register_hook(lambda gradient: gradient * 2)
    result = verified(Layer(linear), candidate)
    assert (result.verdict, result.gradients.weight) == (Verdict.EQUAL, Agreement.NOT_APPLICABLE)
    assert "a hook stands on the gradient of weight" in [note.text for note in result.notes]


def test_what_depends_on_grad_mode_is_no_function() -> None:
    candidate = Layer(lambda self, x: rectified(self, x) * (1 if torch.is_grad_enabled() else 1.5))
    assert verified(Layer(rectified), candidate).verdict is Verdict.REFUSED


def test_weights_that_are_written_to_are_those_of_a_run_alone() -> None:
    def clamping(self: Any, x: Tensor) -> Tensor:
        self.weight.data.clamp_(-0.5, 0.5)
        return linear(self, x)

    assert verified(Layer(clamping), Layer(linear)).verdict is not Verdict.EQUAL


def while_traced(self: Any, x: Tensor) -> Tensor:
    y = linear(self, x)
    return y if torch.compiler.is_exporting() else y + torch.where(x.sum() > 50, 1.0, 0.0)


def while_faked(self: Any, x: Tensor) -> Tensor:
    return linear(self, x) + (0 if type(x) is not Tensor or x.sum().item() < 500 else 1)


@pytest.mark.parametrize("function", [while_traced, while_faked])
def test_what_does_something_else_while_it_is_traced_is_a_black_box(function: Function) -> None:
    result = verified(Layer(linear), Layer(function))
    assert result.evidence == "black-box"
    assert result.weaknesses or result.verdict is Verdict.DIFFERENT


def test_training_mode_is_that_of_both_sides() -> None:
    dropping = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5))
    assert verified(dropping, nn.Sequential(nn.Linear(6, 4)), train=True).verdict is Verdict.REFUSED
    text = convcheck.verify("BatchNorm1d(6)", "3,6", candidate=nn.BatchNorm1d(6), train=True)
    assert (text.verdict, "training mode" in text.reasons[0].text) == (Verdict.ERROR, True)


def test_a_parametrized_module_is_compared_by_what_its_weights_are_computed_of() -> None:
    normed = nn.utils.parametrizations.weight_norm
    assert verified(normed(nn.Linear(6, 4)), normed(nn.Linear(6, 4))).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    "function",
    [
        lambda state: {"weight": state["weight"].clamp(-20, 20)},
        lambda state: {"weight": torch.where((state["weight"] > 50) & (state["weight"] < 1e6), 0.0, state["weight"])},
    ],
)
def test_a_map_that_does_something_else_to_large_weights_is_wrong(function: Any) -> None:
    assert verified(Layer(linear), Layer(linear), map_by=function).verdict is Verdict.DIFFERENT


def test_a_map_that_leaves_a_parameter_out_is_said() -> None:
    result = verified(nn.Linear(6, 4), nn.Linear(6, 4), map_by=lambda state: {"weight": state["weight"]})
    assert (result.verdict, "makes no bias" in result.reasons[0].text) == (Verdict.ERROR, True)


def test_what_overflows_on_the_way_is_not_a_fault_of_the_platform() -> None:
    swish = Layer(lambda _, x: F.silu(x * 8))
    by_hand = Layer(lambda _, x: x * 8 / (1 + torch.exp(-x * 8)))
    result = verified(swish, by_hand, "2,500", dtype="float16")
    assert (result.verdict, "overflow" in result.reasons[0].text) == (Verdict.ERROR, True)


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (lambda _, x: torch.view_as_real(torch.view_as_complex(x.reshape(3, 3, 2)) * 1j), lambda _, x: x[:0]),
        (lambda self, x: linear(self, x.to(torch.float8_e4m3fn).to(x.dtype)), linear),
    ],
)
def test_other_numbers_than_floats_on_the_way_do_no_harm(reference: Function, candidate: Function) -> None:
    assert verified(Layer(reference), Layer(candidate)).verdict is not Verdict.EQUAL


@pytest.mark.parametrize("candidate", [lambda _, x: x[:0].relu(), lambda _, x: x[:1].relu(), lambda _, x: x.t().relu()])
def test_outputs_of_another_shape_are_others(candidate: Function) -> None:
    result = verified(Layer(lambda _, x: x.relu()), Layer(candidate))
    assert result.verdict is Verdict.DIFFERENT
    assert sum("the reference's output is [3, 6]" in reason.text for reason in result.reasons) == 1


def test_an_empty_parameter_moves() -> None:
    sides = [Layer(linear), Layer(linear)]
    for side in sides:
        side.register_parameter("none", nn.Parameter(torch.zeros(0, 6)))
    assert verified(sides[0], sides[1]).verdict is Verdict.EQUAL


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_scripted_module_is_refused_with_the_way_out() -> None:
    result = verified(nn.Linear(6, 4), torch.jit.script(nn.Linear(6, 4)))
    assert (result.verdict, "ScriptModule" in result.reasons[0].text) == (Verdict.ERROR, True)


@pytest.mark.parametrize(("dtype", "kind"), [("float32", Kind.ROUNDING), ("bfloat16", Kind.CODE)])
def test_a_cast_to_a_narrower_dtype_than_the_asked_one_stands_beside_the_verdict(dtype: str, kind: Kind) -> None:
    rounded = Layer(lambda self, x: F.linear(x, self.weight.bfloat16().to(x.dtype)))
    result = verified(Layer(linear), rounded, dtype=dtype)
    assert result.verdict is Verdict.EQUAL
    assert [note.kind for note in result.notes if "computes in bfloat16" in str(note)] == [kind]
