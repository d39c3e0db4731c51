"""What is refused, what is noted, and how a module is left by being traced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convcheck.tracing.facts import facts_of
from convcheck.tracing.trace import CannotTrace, ForwardRaises, NoteKind, trace
from tests.tracing.programs import Calling


def line_of(function: Callable[..., Any], after: int = 1) -> str:
    """Return the place of a line of a function, counted from its `def`."""
    code = function.__code__
    return f"{Path(code.co_filename).relative_to(Path.cwd())}:{code.co_firstlineno + after}"


def branching(x: Tensor) -> Tensor:
    return x * 2 if x.sum() > 0 else x * 3


def out_and_back(x: Tensor) -> Tensor:
    return x * float(x.sum())


def listed(x: Tensor) -> Tensor:
    return x * torch.tensor(x.tolist())


def by_numpy(x: Tensor) -> Tensor:
    return x * torch.from_numpy(x.detach().numpy().copy())


def random(x: Tensor) -> Tensor:
    return x + torch.randn(3)


def raising(x: Tensor) -> Tensor:
    raise ValueError(f"not with {list(x.shape)}")


def two(x: Tensor) -> Any:
    return x, x


def whole(x: Tensor) -> Tensor:
    return x.long()


def narrow(x: Tensor) -> Tensor:
    return x.half() @ torch.eye(3, dtype=torch.float16 if x.dtype == torch.float32 else x.dtype)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (branching, "branches on the values of a tensor"),
        (out_and_back, "takes numbers out of a tensor"),
        (listed, "takes numbers out of a tensor"),
        (random, "draws random numbers in forward (randn)"),
    ],
)
def test_what_depends_on_more_than_a_graph_is_refused_with_its_line(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(CannotTrace) as refused:
        trace(Calling(function), (torch.randn(2, 3),))
    assert refused.value.why.startswith(why)
    assert refused.value.place == line_of(function)


def test_numbers_that_leave_by_numpy_are_noticed_by_other_numbers() -> None:
    with pytest.raises(CannotTrace, match="numbers that left the tensors"):
        trace(Calling(by_numpy), (torch.randn(2, 3),))


def test_an_exception_of_the_module_is_its_own() -> None:
    with pytest.raises(ForwardRaises) as raised:
        trace(Calling(raising), (torch.randn(2, 3),))
    assert (raised.value.why, raised.value.place) == ("ValueError: not with [2, 3]", line_of(raising))


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (two, "returns tuple, and not one tensor"),
        (whole, "returns a tensor of int64, and not of floats"),
        (narrow, "does not run in float64: RuntimeError: .*dtype"),
    ],
)
def test_what_has_no_trace_in_float64_is_refused(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(CannotTrace, match=why) as refused:
        trace(Calling(function), (torch.randn(2, 3),))
    assert not isinstance(refused.value, ForwardRaises)


def test_what_is_cast_to_float32_meets_weights_in_float64() -> None:
    x = torch.randn(2, 3)
    traced = trace(Calling(lambda x: x.float() @ torch.eye(3, dtype=x.dtype)), (x,))
    output = traced.graph(*traced.arguments((x.double(),), {}))
    assert torch.equal(output[0] if isinstance(output, (tuple, list)) else output, x.double())


class Counting(nn.Module):
    """A module that counts its calls: in a buffer, or in an attribute."""

    count: Tensor

    def __init__(self, *, reads: bool, in_buffer: bool = True) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.calls, self.reads, self.in_buffer = 0, reads, in_buffer

    def forward(self, x: Tensor) -> Tensor:
        if self.in_buffer:
            self.count += 1
        else:
            self.calls += 1
        return x * (self.count + self.calls) if self.reads else x * 2


def test_state_is_refused_where_it_is_read_and_noted_elsewhere() -> None:
    with pytest.raises(CannotTrace, match="reads its buffer count, and writes to it"):
        trace(Counting(reads=True), (torch.randn(3),))
    with pytest.raises(CannotTrace, match="two answers to the same numbers"):
        trace(Counting(reads=True, in_buffer=False), (torch.randn(3),))
    notes = trace(Counting(reads=False), (torch.randn(3),)).notes
    assert [(note.kind, note.text) for note in notes] == [(NoteKind.STATE, "writes to its buffer count")]


class Doubling(torch.autograd.Function):
    """Doubles, and says that its gradient is five."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 5


doubled = Doubling.apply


def by_function(x: Tensor) -> Tensor:
    return doubled(x) * 3  # type: ignore[no-untyped-call]


def detaching(x: Tensor) -> Tensor:
    return x * x.detach()


def ungraded(x: Tensor) -> Tensor:
    with torch.no_grad():
        y = x * 2
    return x * y


UNLIKE = "has gradients that are not those of what it computes"
UNRECORDED = "computes without a gradient (detach or no_grad)"


@pytest.mark.parametrize(
    ("function", "text", "after"),
    [
        (by_function, "uses Doubling, an autograd Function of its own", 1),
        (detaching, UNRECORDED, 1),
        (ungraded, UNRECORDED, 2),
    ],
)
def test_gradients_that_are_not_of_what_is_computed_are_noted(
    function: Callable[..., Any], text: str, after: int
) -> None:
    notes = trace(Calling(function), (torch.randn(2, 3),)).notes
    assert {note.kind for note in notes} <= {NoteKind.GRADIENT, NoteKind.BACKWARD}
    assert (text, line_of(function, after)) in {(note.text, note.place) for note in notes}


def hooked(x: Tensor) -> Tensor:
    y = x * 2
    if y.requires_grad:
        y.register_hook(lambda gradient: gradient.clamp(-1e9, 1e9))
    return y


@pytest.mark.parametrize("function", [by_function, hooked])
def test_code_that_computes_gradients_is_noted_as_such(function: Callable[..., Any]) -> None:
    register = Tensor.register_hook
    notes = trace(Calling(function), (torch.randn(2, 3),)).notes
    assert NoteKind.BACKWARD in {note.kind for note in notes}
    assert Tensor.register_hook is register


def test_gradients_are_held_against_those_of_the_module() -> None:
    assert UNLIKE in [note.text for note in trace(Calling(by_function), (torch.randn(2, 3),)).notes]


def test_a_write_to_an_input_is_noted() -> None:
    def writing(x: Tensor) -> Tensor:
        return x.add_(1)

    x = torch.zeros(3)
    assert [note.text for note in trace(Calling(writing), (x,)).notes] == ["writes to input 0"]
    assert not x.any()


class Tied(nn.Module):
    """Two layers of one weight, and a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.first.bias.requires_grad_(False)
        self.scale = torch.tensor([1.0, 2.0, 3.0])

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) * self.scale  # type: ignore[no-any-return]


def test_a_tied_tensor_is_one_placeholder_with_both_names() -> None:
    result = trace(Tied(), (torch.randn(2, 3),))
    named = {one.names: one.kind for one in result.placeholders}
    assert named[("first.weight", "second.weight")] == "parameter"
    assert {kind for names, kind in named.items() if "first.weight" not in names} == {"parameter", "constant", "input"}
    x, w, b = torch.randn(2, 3).double(), torch.randn(3, 3).double(), torch.randn(3).double()
    output = result.graph(*result.arguments((x,), {"second.weight": w, "first.bias": b}))
    assert torch.allclose(output, (x @ w.T + b) @ w.T * torch.tensor([1.0, 2.0, 3.0]))
    with pytest.raises(KeyError, match=r"first\.bias"):
        result.arguments((x,), {"first.weight": w})


def test_a_module_is_left_as_it_was() -> None:
    module = nn.Sequential(Tied(), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    module[0].first.weight.grad = torch.ones(3, 3)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state, default = torch.get_rng_state(), torch.get_default_dtype()
    with pytest.raises(CannotTrace, match="draws random numbers"):
        trace(module, (torch.randn(4, 3, generator=torch.Generator().manual_seed(0)),))
    trace(module.eval(), (torch.zeros(4, 3),))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == default
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert torch.equal(module[0].first.weight.grad, torch.ones(3, 3))
    assert module[0].first.weight.dtype == module[0].scale.dtype == torch.float32
    assert not module[0].first.bias.requires_grad


def test_what_a_module_and_its_tracers_print_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def printing(x: Tensor) -> Tensor:
        print("calling")
        return branching(x)

    with pytest.raises(CannotTrace):
        trace(Calling(printing), (torch.randn(2, 3),))
    assert capfd.readouterr() == ("", "")


class Unexported(nn.Module):
    """A module that torch.export refuses, since it asks whether it is being exported."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.register_buffer("shift", torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            raise RuntimeError("not to be exported")
        return self.linear(x) + self.shift + torch.tensor([1.0, 2.0, 3.0, 4.0])  # type: ignore[no-any-return]


def test_what_cannot_be_exported_is_run_on_proxies() -> None:
    module = Unexported()
    result = trace(module, (torch.randn(2, 3),))
    assert [one.kind for one in result.placeholders] == ["constant", "parameter", "parameter", "buffer", "input"]
    facts = facts_of(result)
    assert (facts.degree, facts.bits, facts.notes) == (2, 0, ())


def test_a_module_on_the_meta_device_is_traced() -> None:
    with torch.device("meta"):
        module = nn.Conv2d(2, 3, 3)
    assert facts_of(trace(module, (torch.zeros(1, 2, 5, 5),))).degree == 2
