"""Computes modulo a prime at every sample, with functions and their derivatives that are drawn at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts import constants, randomness
from convcheck.proof.parts.fields import (
    FEWEST,
    UNKNOWN,
    Field,
    Numbers,
    Scalar,
    Unproven,
    Whole,
    changed,
    is_small,
    numbers_of,
    sample_of,
)
from convcheck.proof.parts.randomness import State


class Modular(Field):
    """Computes modulo a prime a sample; gradients are taken of the first few."""

    def __init__(self, primes: Sequence[int], seed: int) -> None:
        super().__init__(len(primes))
        self.primes = primes
        self.seed = seed

    def run(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        degree: int,
        absolute: Callable[..., Any] | None = None,
        *,
        adds: bool = False,
    ) -> Any:
        if not adds and any(one.infinite for one in numbers_of(arguments)):
            raise Unproven("multiplies an infinite number")
        results = [function(*(changed(one, self._given(number)) for one in arguments)) for number in range(self.count)]
        # A view is of numbers that were reduced.
        held = {_storage(tensor) for one in numbers_of(arguments) for tensor in one.samples}
        if isinstance(results[0], (tuple, list)):
            outputs = zip(*results, strict=True)
            return [UNKNOWN if one[0] is None else self._result(one, degree, held) for one in outputs]
        return self._result(results, degree, held)

    def _given(self, number: int) -> Callable[[Any], Any]:
        """Return what an argument is at a sample; its gradients are added up to those by other operators."""

        def given(value: Any) -> Any:
            tensor = sample_of(number)(value)
            if isinstance(value, Numbers) and tensor.requires_grad:
                return Reduced.apply(tensor, self.primes[number])  # type: ignore[no-untyped-call]  # torch's own
            return tensor

        return given

    def _result(self, tensors: Sequence[Tensor], degree: int, held: Collection[int] = ()) -> Numbers:
        if not tensors[0].is_floating_point():
            raise Unproven("computes with complex numbers")
        results = tuple(
            one if _storage(one) in held and not one.requires_grad else _reduced(one, p)
            for one, p in zip(tensors, self.primes, strict=True)
        )
        return Numbers(results, degree, infinite=any(_has_infinite(one) for one in results))

    def _state(self, name: str, x: Numbers) -> State:
        samples = [canonical(one.detach(), p) for one, p in zip(x.samples, self.primes, strict=True)]
        return randomness.state_of(name, self.seed, samples)

    def lift(self, value: Tensor | float, *, inverse: bool = False) -> Numbers:
        tensor = torch.as_tensor(value, dtype=torch.float64)
        try:
            samples = [constants.residues(tensor, p) for p in self.primes]
        except ZeroDivisionError:
            raise Unproven("a constant has no inverse modulo a prime") from None
        if inverse:
            samples = [_inverses(one, p) for one, p in zip(samples, self.primes, strict=True)]
        return Numbers(tuple(samples), 0, infinite=bool(tensor.isinf().any()))

    def whole(self, value: Whole) -> Numbers:
        if any(bool((one.abs() > FEWEST).any()) for one in value.samples if one.dtype != torch.bool):
            raise Unproven("computes with whole numbers that are large")
        return Numbers(tuple(one.double() for one in value.samples), degree=0)

    def scalar(self, value: float) -> Any:
        if is_small(value) or not math.isfinite(value):
            return value
        return Scalar(tuple(float(one) for one in self.lift(value).samples))

    def function(self, name: str, *arguments: Numbers, differentiable: bool = True) -> Numbers:
        if any(one.infinite for one in arguments) and (name != "exp" or _positive(arguments[0])):
            raise Unproven(f"an infinite number goes into {name}")
        if not differentiable and any(bool(one.isnan().any()) for given in arguments for one in given.samples):
            # A comparison makes a number of what is none.
            raise Unproven(f"what is no number goes into {name}")
        states = [self._state(name, one) for one in arguments]
        state = randomness.joined(name, self.seed, states) if len(states) > 1 else states[0]
        results = []
        for number, p in enumerate(self.primes):
            inputs = [one.samples[number] for one in arguments]
            # Nothing is left of an exponential of minus infinity, nor of its gradient.
            nothing = inputs[0].isinf()
            unknown = torch.stack(torch.broadcast_tensors(*(one.detach() for one in inputs))).isnan().any(0)  # type: ignore[no-untyped-call]  # torch's own
            value = randomness.drawn(state, number, p).masked_fill(nothing, 0.0).masked_fill(unknown, math.nan)
            if not (differentiable and any(one.requires_grad for one in inputs)):
                results.append(value)
                continue
            slopes = []
            for place in range(len(inputs)):
                slope = randomness.joined(f"{name}' {place}", self.seed, [state])
                slopes.append(randomness.drawn(slope, number, p).masked_fill(nothing, 0.0))
            results.append(Drawn.apply(value, p, slopes, *inputs))  # type: ignore[no-untyped-call]  # torch's own
        return self._result(results, 1)

    def of_all(self, name: str, x: Numbers, dims: Sequence[int]) -> Numbers:
        if x.infinite and _positive(x):
            raise Unproven(f"an infinite number goes into {name}")
        entries = self._state(name, x)
        present = torch.stack([~one.isinf() for one in x.samples]).any(0)
        state = randomness.gathered(entries, dims, present)
        results = []
        for number, p in enumerate(self.primes):
            tensor = x.samples[number]
            value = randomness.drawn(state, number, p)
            value = value.masked_fill(tensor.isnan().sum(tuple(dims), keepdim=True) > 0, math.nan)
            value = value.masked_fill((~tensor.isinf()).sum(tuple(dims), keepdim=True) == 0, -math.inf)
            slope = randomness.drawn(randomness.joined(f"{name}'", self.seed, [entries, state]), number, p)
            slope = slope.masked_fill(tensor.isinf(), 0.0)
            results.append(Drawn.apply(value, p, [slope], tensor) if tensor.requires_grad else value)  # type: ignore[no-untyped-call]  # torch's own
        return self._result(results, 1)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _reduced(tensor: Tensor, p: int) -> Tensor:
    if not tensor.requires_grad:
        return reduced(tensor, p)
    result: Tensor = Reduced.apply(tensor, p)  # type: ignore[no-untyped-call]  # torch's own
    return result


def _has_infinite(tensor: Tensor) -> bool:
    # What is finite adds up to something finite, and that is quicker to see.
    return not math.isfinite(float(tensor.detach().sum())) and bool(tensor.isinf().any())


def _positive(x: Numbers) -> bool:
    return any(bool((one == math.inf).any()) for one in x.samples)


def _inverses(tensor: Tensor, p: int) -> Tensor:
    distinct, places = torch.unique(tensor, return_inverse=True)
    if bool((distinct == 0).any()) or not bool(distinct.isfinite().all()):
        raise Unproven("divides by zero")
    table = torch.tensor([pow(int(one), -1, p) for one in distinct.tolist()], dtype=torch.float64)
    return torch.where(table > (p - 1) // 2, table - p, table)[places]


class Reduced(torch.autograd.Function):
    """Brings whole numbers into [-(p - 1) / 2, (p - 1) / 2] modulo p, and their gradients likewise."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, p: int) -> Tensor:
        ctx.p = p
        return reduced(tensor, p)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return reduced(gradient, ctx.p), None


class Drawn(torch.autograd.Function):
    """Returns what was drawn for the result of a function; `slopes` are drawn for its derivatives."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, p: int, slopes: Sequence[Tensor], *inputs: Tensor) -> Tensor:
        ctx.p, ctx.shapes = p, [one.shape for one in inputs]
        ctx.save_for_backward(*slopes)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        gradients = [
            reduced(gradient * slope, ctx.p).sum_to_size(shape)
            for slope, shape in zip(ctx.saved_tensors, ctx.shapes, strict=True)
        ]
        return None, None, None, *gradients


def reduced(tensor: Tensor, p: int) -> Tensor:
    """Return whole numbers up to 2^52 modulo p, at most (p + 1) / 2 in magnitude; what is no finite number stays.

    The quotient is rounded, so one number may come out in two ways: see `canonical`.
    """
    quotient = tensor * (1 / p)
    rest = tensor.sub(quotient.round_(), alpha=p)
    # Nothing finite adds up to anything else.
    if math.isfinite(float(rest.sum())):
        return rest
    return torch.where(tensor.isfinite(), rest, tensor)


def canonical(tensor: Tensor, p: int) -> Tensor:
    """Return what `reduced` returns with one number for all that are equal modulo p."""
    half = (p - 1) // 2
    return torch.where(tensor > half, tensor - p, torch.where(tensor < -half, tensor + p, tensor))
