"""A verdict is the same in whatever modes of torch it is asked for, and these are given back."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.backends import cudnn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import convcheck
from convcheck.errors import LayerError
from convcheck.results import Agreement, Result


class Adding(TorchFunctionMode):
    """Adds to what a Linear computes."""

    def __torch_function__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        return made + 1 if function is nn.functional.linear else made


class Doubling(TorchDispatchMode):
    """Doubles what a convolution computes."""

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        return made * 2 if function is torch.ops.aten.convolution.default else made


@contextmanager
def between(begin: Callable[[], object], end: Callable[[], object]) -> Iterator[None]:
    begin()
    try:
        yield
    finally:
        end()


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    with between(lambda: torch.set_default_dtype(dtype), lambda: torch.set_default_dtype(before)):
        yield


@contextmanager
def strict_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def hooked_everywhere() -> Iterator[None]:
    handle = nn.modules.module.register_module_forward_hook(lambda _module, _inputs, output: output * 2)
    with between(lambda: None, handle.remove):
        yield


@contextmanager
def benchmarking() -> Iterator[None]:
    with between(lambda: setattr(cudnn, "benchmark", True), lambda: setattr(cudnn, "benchmark", False)):
        yield


def saved_halved() -> AbstractContextManager[object]:
    return torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor / 2, lambda tensor: tensor)


MODES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "another default dtype": lambda: default_dtype(torch.float64),
    "a narrow default dtype": lambda: default_dtype(torch.bfloat16),
    "a device": lambda: torch.device("meta"),
    "a default device": lambda: between(
        lambda: torch.set_default_device("meta"), lambda: torch.set_default_device(None)
    ),
    "deterministic algorithms": lambda: between(
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: torch.use_deterministic_algorithms(False),
    ),
    "kernels by benchmark": benchmarking,
    "a mode of functions": Adding,
    "a mode of operators": Doubling,
    "anomalies": lambda: torch.autograd.set_detect_anomaly(True),
    "hooks on saved tensors": saved_halved,
    "warnings that are errors": strict_warnings,
    "hooks on all modules": hooked_everywhere,
}

TEXTS = (
    ("Conv2d(3, 4, kernel_size=2, stride=2)", "patchify-linear", (2, 3, 4, 5)),
    ("Conv1d(2, 3, kernel_size=2, padding='same')", "explicit-pad", (2, 2, 4)),
    ("MultiheadAttention(4, 2)", "multihead-sum", (3, 2, 4)),
)


def timeless(result: Result) -> Result:
    return dataclasses.replace(result, seconds=0.0)


def state() -> tuple[object, ...]:
    """Return the modes that torch is in."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_anomaly_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.benchmark,
        cudnn.deterministic,
        torch._C._len_torch_function_stack(),
        torch._C._len_torch_dispatch_stack(),
        len(nn.modules.module._global_forward_hooks),
        list(warnings.filters),
    )


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())
def test_a_verdict_is_the_same_and_the_mode_is_given_back(mode: Callable[[], AbstractContextManager[object]]) -> None:
    module = nn.Conv2d(3, 4, kernel_size=2, stride=2)
    plain = [timeless(convcheck.verify(text, shape, rewrite)) for text, rewrite, shape in TEXTS]
    own = timeless(convcheck.verify(module, (2, 3, 4, 5), "patchify-linear"))
    assert {result.verdict for result in (*plain, own)} == {"equal"}
    with mode():
        before = state()
        within = [timeless(convcheck.verify(text, shape, rewrite)) for text, rewrite, shape in TEXTS]
        if mode is not hooked_everywhere:
            assert timeless(convcheck.verify(module, (2, 3, 4, 5), "patchify-linear")) == own
        assert state() == before
    assert within == plain


def test_hooks_on_saved_tensors_are_given_back() -> None:
    packed: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        packed.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        convcheck.verify("Linear(3, 4)", rewrite="broadcast-sum")
        assert not packed
        torch.ones(2, requires_grad=True).square()
        assert packed


def test_a_wrong_layout_is_found_where_no_gradient_is_recorded() -> None:
    with torch.no_grad():
        result = convcheck.verify(
            "Conv2d(3, 8, 2, stride=2)", rewrite="patchify-linear", transplant={"weight": "o i kh kw -> o (kh kw i)"}
        )
    assert result.verdict == "different"
    assert result.gradients.weight is Agreement.DIFFERENT


@pytest.mark.parametrize("transform", [torch.vmap, torch.func.grad])
def test_a_verdict_is_the_same_within_a_transform(transform: Callable[..., Any]) -> None:
    found = []

    def inside(x: Tensor) -> Tensor:
        found.append(timeless(convcheck.verify("Linear(3, 4)", rewrite="broadcast-sum")))
        return x.square().sum()

    # vmap takes a batch of vectors, grad one vector; both are still at work after the proof.
    made = transform(inside)(torch.ones(2, 3) if transform is torch.vmap else torch.ones(3))
    assert made.tolist() == ([3.0, 3.0] if transform is torch.vmap else [2.0] * 3)
    assert found == [timeless(convcheck.verify("Linear(3, 4)", rewrite="broadcast-sum"))]


@pytest.mark.parametrize("transform", [torch.vmap, torch.func.grad])
def test_weights_of_a_transform_are_refused(transform: Callable[..., Any]) -> None:
    module = nn.Linear(3, 4)

    def inside(weight: Tensor) -> Tensor:
        module._parameters["weight"] = weight  # type: ignore[assignment]  # as functional_call does
        with pytest.raises(LayerError, match=r"weight belongs to a transform of torch\.func"):
            convcheck.verify(module, rewrite="broadcast-sum")
        return weight.sum()

    transform(inside)(torch.ones(2, 4, 3) if transform is torch.vmap else torch.ones(4, 3))


def test_the_random_state_is_given_back() -> None:
    torch.manual_seed(5)
    module = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4))
    before = torch.get_rng_state()
    assert convcheck.verify(module, rewrite="fold-batchnorm").verdict == "equal"
    assert torch.equal(torch.get_rng_state(), before)
