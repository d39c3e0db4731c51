"""What is known of a tensor in a graph, and how an operator is read: as a polynomial of what goes into it.

A tensor is a polynomial in the variables (inputs, parameters, statistics) whose coefficients are multiples of 2^-bits.
At whole numbers so are its values, all that is computed on the way, and all gradients: bits never fall along a graph,
a product has those of both factors, and a derivative multiplies coefficients by whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg

MOST_BITS = 32
"""With more digits than this behind the point, float64 has too few left before it."""


class NotPolynomial(Exception):  # noqa: N818  # it is an answer, not a fault
    """An operator is no polynomial of its arguments; the message says why."""


@dataclass(frozen=True)
class Known:
    """A tensor: its degree, None for no polynomial, and its bits, None where coefficients have too many digits.

    `constant` is its value where no variable is in it. `variance` is (buffer, eps) of a running variance, eps being
    None before it is added; `rooted` that the root was taken. `inexact` says why there are no bits.
    """

    degree: int | None = 0
    bits: int | None = 0
    constant: Tensor | None = None
    variance: tuple[str, float | None] | None = None
    rooted: bool = False
    inexact: str = ""


VARIABLE = Known(degree=1)


@dataclass(frozen=True)
class Call:
    """An operator in a graph, with its arguments by the names of its schema, tensors among them as `Known`."""

    node: fx.Node
    arguments: Mapping[str, Any]
    nodes: Mapping[str, Any]

    @property
    def tensors(self) -> tuple[Known, ...]:
        """All tensors that go in, in order."""
        return tuple(_tensors(tuple(self.arguments.values())))

    def __getitem__(self, name: str) -> Any:
        return self.arguments.get(name)

    def known(self, name: str) -> Known:
        """Return an argument that is a tensor or a number; a missing one is zero."""
        value = self[name]
        return value if isinstance(value, Known) else number(0 if value is None else value)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor that goes in."""
        return tuple(self.nodes[name].meta["val"].shape)

    @property
    def output(self) -> Tensor:
        """A tensor with the shape and dtype of the (first) output; its values mean nothing."""
        value = self.node.meta["val"]
        result: Tensor = value[0] if isinstance(value, (tuple, list)) else value
        return result


Reader = Callable[[Call], Known]


@dataclass(frozen=True)
class Operator:
    """How an operator of torch's is read, and computed on absolute values so that no sum cancels.

    `absolute` takes the operator's own arguments, and is the operator itself where it is None. `scalars` are the
    arguments that are numbers and take part as such; `plain` those tensors that say where or whether, not how much.
    `varying` takes the result and all arguments by name where one of the plain ones is no constant, and returns what
    bounds the result whatever it is.
    """

    read: Reader
    absolute: Callable[..., Any] | None = None
    scalars: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    varying: Callable[[Tensor, Mapping[str, Any]], Tensor] | None = None


def bind(node: fx.Node, value_of: Callable[[fx.Node], Any]) -> dict[str, Any]:
    """Return an operator's arguments by the names of its schema, defaults included, with nodes as `value_of` has it."""
    arguments = node.target._schema.arguments  # type: ignore[union-attr]  # an operator of torch's has one
    bound = {one.name: one.default_value for one in arguments if one.has_default_value()}
    bound |= {one.name: value for one, value in zip(arguments, node.args, strict=False)} | dict(node.kwargs)
    mapped: dict[str, Any] = map_arg(bound, value_of)
    return mapped


def _tensors(value: object) -> Iterator[Known]:
    if isinstance(value, Known):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def constant(value: Tensor) -> Known:
    """Return a constant tensor, with the bits of its values."""
    bits = binary_digits(value)
    if bits is None:
        return Known(bits=None, constant=value, inexact="a constant is infinite or no number")
    return limited(Known(bits=bits, constant=value))


def number(value: complex) -> Known:
    """Return a number in the code as a constant."""
    return constant(torch.tensor(value, dtype=torch.complex128 if isinstance(value, complex) else torch.float64))


def binary_digits(value: Tensor) -> int | None:
    """Return how many binary digits the numbers have behind the point, at most; None where one is no number."""
    if not (value.is_floating_point() or value.is_complex()):
        return 0
    if value.is_complex():
        value = torch.view_as_real(value.resolve_conj())
    value = value.detach().double()
    if not value.isfinite().all():
        return None
    mantissa, exponent = torch.frexp(value)
    whole = (mantissa * 2.0**53).to(torch.int64)
    lowest = whole & -whole
    trailing = torch.frexp(lowest.double()).exponent - 1
    digits = torch.where(whole == 0, 0, 53 - trailing - exponent)
    return max(0, int(digits.max())) if digits.numel() else 0


def limited(known: Known) -> Known:
    """Return a tensor without bits where it has more than MOST_BITS."""
    if known.bits is None or known.bits <= MOST_BITS:
        return known
    return replace(known, bits=None, inexact=f"constants have {known.bits} binary digits behind the point")


def inexact(known: Known, why: str) -> Known:
    """Return a tensor as one that is rounded."""
    return replace(known, bits=None, inexact=why)


def summed(*terms: Known) -> Known:
    """Return a sum, or what is put together of several: the largest degree, and the most bits."""
    return _combined(max, terms)


def multiplied(*factors: Known) -> Known:
    """Return a product, or a sum of such: degrees and bits are added up."""
    return limited(_combined(_add, factors))


def _combined(fold: Callable[[int, int], int], tensors: Sequence[Known]) -> Known:
    bits = _folded(fold, [one.bits for one in tensors])
    why = "" if bits is not None else next((one.inexact for one in tensors if one.bits is None), "")
    return Known(_folded(fold, [one.degree for one in tensors]), bits, inexact=why)


def _add(one: int, other: int) -> int:
    return one + other


def _folded(fold: Callable[[int, int], int], values: list[int | None]) -> int | None:
    result = 0
    for value in values:
        if value is None:
            return None
        result = fold(result, value)
    return result


def divided(known: Known, divisor: Known) -> Known:
    """Return a tensor divided by a constant, or by the root of a running variance.

    Raises:
        NotPolynomial: the divisor has a variable in it.
    """
    if divisor.rooted:
        # A root of a variance is drawn as 1/2 or 1/4, so that what is divided by it is multiplied by 2 or 4.
        return multiplied(known, VARIABLE)
    if divisor.constant is None:
        raise NotPolynomial("divides by what depends on inputs or parameters")
    mantissa, exponent = torch.frexp(divisor.constant.detach().double())
    if not (mantissa.abs() == 0.5).all():
        odd = divisor.constant.detach().flatten()[(mantissa.abs() != 0.5).flatten().nonzero()[0, 0]]
        return inexact(Known(known.degree), f"divides by {odd.item():.6g}, which is no power of two")
    bits = max(0, int(exponent.max()) - 1) if exponent.numel() else 0
    return multiplied(known, Known(bits=bits))


def scaled_down(known: Known, count: int) -> Known:
    """Return a mean of `count` terms."""
    return divided(known, number(count))


def moved(call: Call) -> Known:
    """Read an operator that puts entries of its one tensor, or of several, into other places."""
    tensors = call.tensors
    if len(tensors) == 1:
        return replace(tensors[0], constant=None)
    return summed(*tensors)


def first_moved(call: Call) -> Known:
    """Read an operator that moves its first tensor; others say where to."""
    return replace(call.tensors[0], constant=None)


def added(call: Call) -> Known:
    """Read an operator that adds its tensors up."""
    return summed(*call.tensors)


def product(call: Call) -> Known:
    """Read an operator that multiplies all its tensors, or sums such products."""
    return multiplied(*call.tensors)


def size(shape: tuple[int, ...]) -> int:
    """Return how many entries a shape has."""
    return math.prod(shape)
