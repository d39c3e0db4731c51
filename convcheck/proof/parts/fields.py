"""Numbers at several samples at once, and how they are computed with: counted first, and then modulo primes.

Rules say what an operator is by the few operations of a `Field`, so both passes take the same way:

- `Counting` computes with magnitudes alone, and finds the largest numbers whose sums of products float64 holds exactly,
  forwards and backwards, operator by operator; degrees, of results and of gradients; and the constants that occur.
- `Modular` computes modulo a prime, another one for every sample. After every operator numbers are brought back below
  the prime, and so are gradients before it, so nothing grows on the way, however deep a graph is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts import constants, randomness
from convcheck.proof.parts.constants import SMALL, number_of

EXACT = 2**52
"""Up to here multiples of a prime next to a number are held exactly, too."""

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


def _leaf(value: Any, magnitude: float) -> Any:
    if not isinstance(value, Numbers):
        return value
    (one,) = value.samples
    return (one * magnitude).requires_grad_()


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
        depths = [one.depth - one.degree for one in _numbers(arguments)]
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
        if not tensor.is_floating_point():
            raise Unproven("computes with complex numbers")
        self.size += tensor.numel()
        return Numbers(((tensor.detach() != 0).double(),), degree, depth)

    def _largest(self, function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[float, Any]:
        """Return the largest number on the way there or back, and the result."""
        with torch.enable_grad():
            leaves = [_tree(one, lambda value: _leaf(value, self.magnitude)) for one in arguments]
            result = function(*(_tree(one, _sample(0)) for one in leaves))
            outputs = [one for one in _tensors([result]) if one.requires_grad]
            given = [one for one in _tensors(leaves) if one.requires_grad]
            cotangents = [torch.full_like(one, self.magnitude) for one in outputs]
            slopes = torch.autograd.grad(outputs, given, cotangents, allow_unused=True) if outputs and given else ()
        return max((float(one.detach().max()) for one in (*outputs, *slopes) if one is not None and one.numel()), default=0.0), result

    def lift(self, value: Tensor | float, *, inverse: bool = False) -> Numbers:
        tensor = torch.as_tensor(value, dtype=torch.float64)
        if inverse and not (tensor.isfinite() & (tensor != 0)).all():
            raise Unproven("divides by zero")
        for number in constants.numbers_in(tensor):
            self.squares |= set(number.radicands())
        return Numbers(((tensor.isfinite() & (tensor != 0)).double(),), degree=0)

    def whole(self, value: Whole) -> Numbers:
        return Numbers(((value.samples[0] != 0).double(),), degree=0)

    def scalar(self, value: float) -> Any:
        if not math.isfinite(value):
            return 0.0
        self.squares |= set(number_of(value).radicands())
        return abs(value) if _is_small(value) else float(self.magnitude)

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
        if not adds and any(one.infinite for one in _numbers(arguments)):
            raise Unproven("multiplies an infinite number")
        results = [function(*(_tree(one, _sample(number)) for one in arguments)) for number in range(self.count)]
        if isinstance(results[0], (tuple, list)):
            outputs = zip(*results, strict=True)
            return [UNKNOWN if one[0] is None else self._result(one, degree) for one in outputs]
        return self._result(results, degree)

    def _result(self, tensors: Sequence[Tensor], degree: int) -> Numbers:
        if not tensors[0].is_floating_point():
            raise Unproven("computes with complex numbers")
        reduced = tuple(Reduced.apply(one, p) for one, p in zip(tensors, self.primes, strict=True))  # type: ignore[no-untyped-call]  # torch's own
        return Numbers(reduced, degree, infinite=any(bool(one.isinf().any()) for one in reduced))

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
        if _is_small(value) or not math.isfinite(value):
            return value
        return Scalar(tuple(float(one) for one in self.lift(value).samples))

    def function(self, name: str, *arguments: Numbers, differentiable: bool = True) -> Numbers:
        if any(one.infinite for one in arguments) and (name != "exp" or _positive(arguments[0])):
            raise Unproven(f"an infinite number goes into {name}")
        if not differentiable and any(bool(one.isnan().any()) for given in arguments for one in given.samples):
            # A comparison makes a number of what is none.
            raise Unproven(f"what is no number goes into {name}")
        states = [randomness.state_of(name, self.seed, one.samples) for one in arguments]
        state = randomness.joined(name, self.seed, states) if len(states) > 1 else states[0]
        results = []
        for number, p in enumerate(self.primes):
            inputs = [one.samples[number] for one in arguments]
            # Nothing is left of an exponential of minus infinity, nor of its gradient.
            nothing = inputs[0].isinf()
            unknown = sum(one.detach() for one in inputs).isnan()
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
        entries = randomness.state_of(name, self.seed, x.samples)
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


def _positive(x: Numbers) -> bool:
    return any(bool((one == math.inf).any()) for one in x.samples)


def _is_small(value: float) -> bool:
    return abs(value) <= SMALL and float(value).is_integer()


def _inverses(tensor: Tensor, p: int) -> Tensor:
    distinct, places = tensor.unique(return_inverse=True)
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
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]  # one output
        return reduced(gradient, ctx.p), None


class Drawn(torch.autograd.Function):
    """Returns what was drawn for the result of a function; `slopes` are drawn for its derivatives."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, p: int, slopes: Sequence[Tensor], *inputs: Tensor) -> Tensor:
        ctx.p, ctx.shapes = p, [one.shape for one in inputs]
        ctx.save_for_backward(*slopes)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:  # type: ignore[override]  # one output
        gradients = [
            reduced(gradient * slope, ctx.p).sum_to_size(shape)
            for slope, shape in zip(ctx.saved_tensors, ctx.shapes, strict=True)
        ]
        return None, None, None, *gradients


def reduced(tensor: Tensor, p: int) -> Tensor:
    """Return whole numbers up to 2^53 modulo p, centred around 0; what is infinite or no number stays."""
    half = (p - 1) // 2
    rest = tensor - p * (tensor / p).round()
    # The quotient is rounded.
    rest = torch.where(rest > half, rest - p, torch.where(rest < -half, rest + p, rest))
    return torch.where(tensor.isfinite(), rest, tensor)


def _tree(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_tree(one, change) for one in value]
    return change(value)


def _sample(number: int) -> Callable[[Any], Any]:
    def of(value: Any) -> Any:
        return value.samples[number] if isinstance(value, (Numbers, Whole, Scalar)) else value

    return of


def _numbers(arguments: Iterable[Any]) -> Iterable[Numbers]:
    for one in arguments:
        if isinstance(one, Numbers):
            yield one
        elif isinstance(one, (list, tuple)):
            yield from _numbers(one)


def _tensors(arguments: Iterable[Any]) -> Iterable[Tensor]:
    for one in arguments:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, (list, tuple)):
            yield from _tensors(one)
