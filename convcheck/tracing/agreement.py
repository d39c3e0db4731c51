"""Holds a graph against the module that it was traced from, on other numbers: values, and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import format_stack
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.autograd.function import BackwardCFunction
from torch.func import functional_call

from convcheck.tracing.live_operators import Recorder
from convcheck.tracing.places import place_of_error, place_of_stack

SAME = 2.0**-40
"""Of the largest output: what operators that were exchanged for others may round otherwise. Baked data are far off."""

Arguments = Callable[[tuple[Tensor, ...], Mapping[str, Tensor]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Agreement:
    """Why a graph is not the module (None if it is), whether all bits agree, and (text, place) on gradients.

    `backwards` are about code of the module's own that computes gradients.
    """

    unlike: str | None = None
    place: str | None = None
    identical: bool = True
    gradients: tuple[tuple[str, str | None], ...] = ()
    backwards: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class _Numbers:
    """Inputs, and parameters and buffers by name."""

    inputs: tuple[Tensor, ...]
    tensors: Mapping[str, Tensor]

    def cloned(self) -> _Numbers:
        """Return copies, so that what writes to them leaves these alone; they have gradients where these do."""

        def copied(tensor: Tensor) -> Tensor:
            # No leaf, as what is written to may be none.
            return tensor.clone()

        return _Numbers(tuple(map(copied, self.inputs)), {name: copied(one) for name, one in self.tensors.items()})


def compare(module: nn.Module, graph: fx.GraphModule, arguments: Arguments, inputs: tuple[Tensor, ...]) -> Agreement:
    """Run both on two draws of numbers other than those that the graph was traced with."""
    generator = torch.Generator().manual_seed(0)
    identical = True
    for draw in (_normal, _positive):
        numbers = _draw(module, inputs, draw, generator)
        try:
            recorded, outputs = zip(*(_recorded(module, numbers) for _ in range(2)), strict=True)
        except Exception as error:  # whatever the user's code raises
            return Agreement(f"raises on other numbers: {type(error).__name__}", place_of_error(error))
        if not _equal(*outputs):
            return Agreement("gives two answers to the same numbers: it keeps state, or draws random ones")
        given = arguments(*_pair(numbers.cloned()))
        with Recorder(given) as followed:
            traced = graph(*given)
        if recorded[0].leaves or not recorded[0].choosing(outputs[0]) <= followed.choosing(traced):
            return Agreement("does something else while it is traced, or takes numbers out of a tensor (as by item)")
        if traced.shape != outputs[0].shape or traced.dtype != outputs[0].dtype or not _near(traced, outputs[0]):
            return Agreement("computes with numbers that left the tensors (as by numpy, tolist or item)")
        identical = identical and _equal(traced, outputs[0])
    leaves = _leaves(module, numbers)
    with _hooks() as hooks, torch.autograd.set_detect_anomaly(True, check_nan=False):
        eager = _call(module, numbers)
    functions = ((f"uses {name}, an autograd Function of its own", place) for name, place in _own_functions(eager))
    backwards = tuple(dict.fromkeys((*functions, *hooks)))
    traced = graph(*arguments(*_pair(numbers.cloned())))
    return Agreement(None, None, identical, tuple(_gradients(eager, traced, leaves)), backwards)


def _pair(numbers: _Numbers) -> tuple[tuple[Tensor, ...], Mapping[str, Tensor]]:
    return numbers.inputs, numbers.tensors


def _call(module: nn.Module, numbers: _Numbers) -> Tensor:
    given = numbers.cloned()
    output: Tensor = functional_call(module, dict(given.tensors), given.inputs)
    return output


def _recorded(module: nn.Module, numbers: _Numbers) -> tuple[Recorder, Tensor]:
    """Call a module, and record what it runs."""
    given = numbers.cloned()
    # Buffers are constants, which may be taken out.
    variables = (*given.inputs, *(given.tensors[name] for name, _ in module.named_parameters()))
    with Recorder(variables) as recorder:
        output: Tensor = functional_call(module, dict(given.tensors), given.inputs)
    return recorder, output


def _normal(tensor: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def _positive(tensor: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) + 0.5


def _draw(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    draw: Callable[[Tensor, torch.Generator], Tensor],
    generator: torch.Generator,
) -> _Numbers:
    """Draw inputs and parameters. Integers are those that were there, in another order; buffers keep their signs."""

    def drawn(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point() or tensor.is_complex():
            return draw(tensor, generator)
        order = torch.randperm(tensor.numel(), generator=generator)
        return tensor.flatten()[order].view(tensor.shape)

    tensors = {name: drawn(parameter.detach()) for name, parameter in module.named_parameters()}
    for name, buffer in module.named_buffers():
        tensors[name] = buffer * (1 + _positive(buffer, generator)) if buffer.is_floating_point() else buffer.clone()
    return _Numbers(tuple(map(drawn, inputs)), tensors)


def _equal(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.isnan(), other.isnan()) and torch.equal(one.nan_to_num(), other.nan_to_num())


def _near(one: Tensor, other: Tensor) -> bool:
    largest = other.abs().nan_to_num(0.0, 0.0, 0.0).amax() if other.numel() else 0.0
    return torch.allclose(one, other, rtol=0.0, atol=float(SAME * largest), equal_nan=True)


def _leaves(module: nn.Module, numbers: _Numbers) -> list[Tensor]:
    """Ask for gradients in inputs and parameters, and return them. Torch takes none in running statistics."""
    parameters = [numbers.tensors[name] for name, _ in module.named_parameters()]
    return [tensor.requires_grad_() for tensor in (*numbers.inputs, *parameters) if tensor.is_floating_point()]


@contextmanager
def _hooks() -> Iterator[list[tuple[str, str | None]]]:
    """Take down where hooks are put on gradients."""
    met: list[tuple[str, str | None]] = []
    register = Tensor.register_hook

    def noting(tensor: Tensor, hook: Callable[..., Any]) -> Any:
        met.append(("puts a hook on a gradient", place_of_stack("".join(format_stack()))))
        return register(tensor, hook)  # type: ignore[no-untyped-call]

    Tensor.register_hook = noting  # type: ignore[method-assign]
    try:
        yield met
    finally:
        Tensor.register_hook = register  # type: ignore[method-assign]


def _gradients(eager: Tensor, traced: Tensor, leaves: list[Tensor]) -> Iterator[tuple[str, str | None]]:
    """Yield (text, place) where gradients are not those of the graph."""
    try:
        gradients = [_pulled_back(output, leaves) for output in (eager, traced)]
    except RuntimeError as error:
        yield f"has gradients that cannot be compared with those of its graph: {str(error).splitlines()[0]}", None
        return
    if not all(_near(one, other) for one, other in zip(*gradients, strict=True)):
        yield "has gradients that are not those of what it computes", None


def _pulled_back(output: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    if not output.requires_grad:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(output, leaves, torch.ones_like(output), materialize_grads=True)


def _own_functions(output: Tensor) -> Iterator[tuple[str, str | None]]:
    """Yield the names of autograd Functions in Python on the way to an output, and where they are called."""
    waiting, met = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if issubclass(type(node), BackwardCFunction):
            metadata: Mapping[str, list[str]] = node.metadata  # type: ignore[assignment]  # a property, behind the class
            stack = "".join(metadata.get("traceback_", ()))
            yield type(node).__name__.removesuffix("Backward"), place_of_stack(stack)
        waiting.extend(one for one, _ in node.next_functions)
