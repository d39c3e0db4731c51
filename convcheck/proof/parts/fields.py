"""Numbers at several samples at once, and how they are computed with: counted first, and then modulo primes.

Rules say what an operator is by the few operations of a `Field`, so both passes take the same way:

- `Counting` computes with magnitudes alone. It finds the largest numbers whose sums of products float64 holds exactly,
  forwards and backwards, operator by operator; degrees, of results and of gradients; and the constants that occur.
- `Modular` computes modulo a prime, another one for every sample. After every operator numbers are brought back below
  the prime, and so are gradients before it: nothing grows on the way, however deep a graph is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts.constants import SMALL

FEWEST = 2**9
"""Of fewer numbers than this a wrong one is too often the same."""


class Unproven(Exception):  # noqa: N818  # it is an answer, not a fault
    """There is no exact evidence in parts; the message says why."""


@dataclass(frozen=True)
class Numbers:
    """A tensor that varies, at every sample: float64.

    `degree` is that of a polynomial in variables and in what was drawn for the results of other operators. A gradient
    of a linear function of it is, in what it is made of, of a degree of `depth` at most. `infinite` says that entries
    may be infinite.
    """

    samples: tuple[Tensor, ...]
    degree: int = 1
    depth: int = 0
    infinite: bool = False

    @property
    def shape(self) -> torch.Size:
        return self.samples[0].shape


@dataclass(frozen=True)
class Whole:
    """Masks or whole numbers that differ from sample to sample."""

    samples: tuple[Tensor, ...]


@dataclass(frozen=True)
class Scalar:
    """A number in code, at every sample."""

    samples: tuple[float, ...]


UNKNOWN = object()
"""A result of an operator that no rule knows, such as the places of the largest entries."""


class Field(ABC):
    """What both passes share."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.cuts: dict[str, None] = {}
        """At what graphs were cut, as users know it."""

    @abstractmethod
    def run(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        degree: int,
        absolute: Callable[..., Any] | None = None,
        *,
        adds: bool = False,
    ) -> Any:
        """Compute a polynomial of these arguments; `degree` is that of the result. Returns `Numbers`, or a list.

        `adds` says that it does not multiply, so that an infinite entry stays what it is.
        """

    @abstractmethod
    def lift(self, value: Tensor | float, *, inverse: bool = False) -> Numbers:
        """Return a constant, or one over it."""

    @abstractmethod
    def whole(self, value: Whole) -> Numbers:
        """Return masks and small whole numbers as numbers."""

    @abstractmethod
    def scalar(self, value: float) -> Any:
        """Return a number in code as an argument for `run`."""

    @abstractmethod
    def function(self, name: str, *arguments: Numbers, differentiable: bool = True) -> Numbers:
        """Return what a function of entries, of which nothing is known but its name, makes of every entry."""

    @abstractmethod
    def of_all(self, name: str, x: Numbers, dims: Sequence[int]) -> Numbers:
        """Return what such a function makes of all entries along axes, in whatever order; axes stay with length 1."""

    def cut(self, name: str) -> None:
        """Note where a graph is cut."""
        self.cuts[name] = None

    def linear(self, function: Callable[..., Any], *arguments: Numbers) -> Numbers:
        """Return a sum of entries, or what moves them."""
        result: Numbers = self.run(function, arguments, max(one.degree for one in arguments), adds=True)
        return result

    def product(self, function: Callable[..., Any], *arguments: Numbers) -> Numbers:
        """Return a product, or sums of products."""
        result: Numbers = self.run(function, arguments, sum(one.degree for one in arguments))
        return result

    def add(self, x: Numbers, y: Numbers) -> Numbers:
        return self.linear(torch.add, x, y)

    def subtract(self, x: Numbers, y: Numbers) -> Numbers:
        result: Numbers = self.run(torch.sub, (x, y), max(x.degree, y.degree), torch.add, adds=True)
        return result

    def multiply(self, x: Numbers, y: Numbers) -> Numbers:
        return self.product(torch.mul, x, y)

    def scale(self, x: Numbers, number: float, *, inverse: bool = False) -> Numbers:
        return self.multiply(x, self.lift(number, inverse=inverse))

    def sum(self, x: Numbers, dims: Sequence[int], *, keep: bool = False) -> Numbers:
        return self.linear(lambda one: one.sum(list(dims), keepdim=keep), x)

    def mean(self, x: Numbers, dims: Sequence[int], *, keep: bool = False) -> Numbers:
        count = math.prod(x.shape[dim] for dim in dims)
        return self.scale(self.sum(x, dims, keep=keep), count, inverse=True)

    def divide(self, x: Numbers, y: Numbers) -> Numbers:
        return self.multiply(x, self.function("1 / x", y))

    def over_root(self, x: Numbers, square: Numbers) -> Numbers:
        """Divide by a square root."""
        return self.divide(x, self.function("sqrt", square))


def lifted(field: Field, value: Numbers | Whole | Tensor | float) -> Numbers:
    """Return an argument as numbers, whether it varies or not."""
    if isinstance(value, Whole):
        return field.whole(value)
    return value if isinstance(value, Numbers) else field.lift(value)


def is_small(value: float) -> bool:
    """Tell whether a number is its own residue modulo every prime."""
    return abs(value) <= SMALL and float(value).is_integer()


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return an argument of an operator, or a list of such, changed."""
    if isinstance(value, (list, tuple)):
        return [changed(one, change) for one in value]
    return change(value)


def sample_of(number: int) -> Callable[[Any], Any]:
    """Return what takes an argument to what it is at a sample."""

    def of(value: Any) -> Any:
        return value.samples[number] if isinstance(value, (Numbers, Whole, Scalar)) else value

    return of


def numbers_of(arguments: Iterable[Any]) -> Iterable[Numbers]:
    """Yield the numbers among arguments and in lists of such."""
    for one in arguments:
        if isinstance(one, Numbers):
            yield one
        elif isinstance(one, (list, tuple)):
            yield from numbers_of(one)


def tensors_of(arguments: Iterable[Any]) -> Iterable[Tensor]:
    """Yield the tensors among arguments and in lists of such."""
    for one in arguments:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, (list, tuple)):
            yield from tensors_of(one)
