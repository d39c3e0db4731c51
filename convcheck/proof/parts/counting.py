"""Counts how large numbers may be, of which degree polynomials are, and how often functions are called."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts import constants
from convcheck.proof.parts.constants import number_of
from convcheck.proof.parts.fields import (
    FEWEST,
    UNKNOWN,
    Field,
    Numbers,
    Unproven,
    Whole,
    changed,
    is_small,
    numbers_of,
    sample_of,
    tensors_of,
)

EXACT = 2**52
"""Up to here multiples of a prime next to a number are held exactly, too."""


class Counting(Field):
    """Computes with ones in place of all numbers but 0, at one sample."""

    def __init__(self, magnitude: int) -> None:
        super().__init__(1)
        self.magnitude = magnitude
        self.degree = 1
        """The largest degree of what goes into a function."""
        self.entries = 0
        """How many entries go into functions."""
        self.size = 0
        """How many entries all results have."""
        self.squares: set[int] = set()
        """The primes of which roots are taken."""

    def run(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        degree: int,
        absolute: Callable[..., Any] | None = None,
        *,
        adds: bool = False,
    ) -> Any:
        depths = [one.depth - one.degree for one in numbers_of(arguments)]
        depth = degree + max(depths, default=0)
        while True:
            largest, result = self._largest(absolute or function, arguments)
            if largest <= EXACT:
                break
            self.magnitude //= 2
            if self.magnitude < FEWEST:
                raise Unproven("its sums are too long for whole numbers")
        if isinstance(result, (tuple, list)):
            return [UNKNOWN if one is None else self._result(one, degree, depth) for one in result]
        return self._result(result, degree, depth)

    def _result(self, tensor: Tensor, degree: int, depth: int) -> Numbers:
        self.size += tensor.numel()
        return Numbers(((tensor.detach() != 0).double(),), degree, depth)

    def _largest(self, function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[float, Any]:
        """Return the largest number on the way there or back, and the result."""
        with torch.enable_grad():
            leaves = [changed(one, lambda value: _leaf(value, self.magnitude)) for one in arguments]
            result = function(*(changed(one, sample_of(0)) for one in leaves))
            outputs = [one for one in tensors_of([result]) if one.requires_grad]
            if any(one.is_complex() for one in outputs):
                raise Unproven("computes with complex numbers")
            given = [one for one in tensors_of(leaves) if one.requires_grad]
            cotangents = [torch.full_like(one, self.magnitude) for one in outputs]
            slopes = torch.autograd.grad(outputs, given, cotangents, allow_unused=True) if outputs and given else ()
        met = (one.detach() for one in (*outputs, *slopes) if one is not None and one.numel())
        return max((float(one.max()) for one in met), default=0.0), result

    def lift(self, value: Tensor | float, *, inverse: bool = False) -> Numbers:
        tensor = torch.as_tensor(value, dtype=torch.float64)
        if inverse and not (tensor.isfinite() & (tensor != 0)).all():
            raise Unproven("divides by zero")
        for number in constants.numbers_in(tensor):
            self.squares |= set(number.radicands())
        return Numbers(((tensor.isfinite() & (tensor != 0)).double(),), degree=0)

    def whole(self, value: Whole) -> Numbers:
        # At another sample another one may be 0.
        return Numbers((torch.ones(value.samples[0].shape, dtype=torch.float64),), degree=0)

    def scalar(self, value: float) -> Any:
        if not math.isfinite(value):
            return 0.0
        self.squares |= set(number_of(value).radicands())
        return abs(value) if is_small(value) else float(self.magnitude)

    def function(self, name: str, *arguments: Numbers, differentiable: bool = True) -> Numbers:
        shape = torch.broadcast_shapes(*(one.shape for one in arguments))  # type: ignore[no-untyped-call]  # torch's own
        return self._drawn(shape, arguments, math.prod(shape))

    def of_all(self, name: str, x: Numbers, dims: Sequence[int]) -> Numbers:
        axes = {dim % len(x.shape) for dim in dims}
        return self._drawn([1 if axis in axes else n for axis, n in enumerate(x.shape)], (x,), math.prod(x.shape))

    def _drawn(self, shape: Sequence[int], arguments: Sequence[Numbers], entries: int) -> Numbers:
        self.degree = max(self.degree, *(one.degree for one in arguments))
        self.entries += entries
        self.size += 2 * math.prod(shape)
        return Numbers((torch.ones(tuple(shape), dtype=torch.float64),), 1, 1 + max(one.depth for one in arguments))


def _leaf(value: Any, magnitude: float) -> Any:
    if not isinstance(value, Numbers):
        return value
    (one,) = value.samples
    return (one * magnitude).requires_grad_()
