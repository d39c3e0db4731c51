"""Activations, dropout and softmax as numbers: what keeps the shape, has no weights, and is printed between the layers.

All are as in eval mode, so dropout returns its input. None of them is counted in MACs: torch's own counter leaves them
out, too, and the operations of an exponential depend on the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.base import Roundings
from convcheck.layers.families import ELEMENTWISE
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.layers.text.notation import compact, label
from convcheck.layers.weightless import Weightless
from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins

_INPLACE = Argument("inplace", read.flag, False)
_EXACT = ("Identity", "ReLU", "ReLU6", "Hardtanh")
"""Those that select one of a few values, and so round nothing."""


def probability(value: object, dims: int) -> object:
    """Read a probability."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise BadValueError("a number between 0 and 1")
    return value


@dataclass(frozen=True)
class Elementwise(Weightless):
    """`y[n] = f(x[n])` for every entry by itself."""

    DIMS = 0
    SIGNATURE: ClassVar[tuple[Argument, ...]] = ()
    ANY_SHAPE = True

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        return ()

    def axis_map(self, rank: int) -> AxisMap | None:
        return AxisMap(numbered(rank), numbered(rank))

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        """Change nothing: every output reads the input at the same position."""

    def example_inputs(self) -> Shapes:
        return ((2, 3, 4, 5),)

    def roundings(self) -> Roundings:
        return Roundings(sums=0 if self.kind in _EXACT else 1)

    def degree(self) -> int | None:
        """Return 1 for the identity; the others are no polynomials."""
        return 1 if self.kind == "Identity" else None

    def _named(self) -> dict[str, tuple[object, object]]:
        """Return the arguments that are printed by name, as `compact` takes them."""
        given = {name: (value, None) for name, value in self.arguments().items() if name != "inplace"}
        return {**given, **({"inplace": (True, False)} if self.arguments().get("inplace") else {})}

    def __str__(self) -> str:
        return compact(self.kind, [], self._named())

    def label(self) -> str:
        usual = {argument.name: argument.default for argument in self.SIGNATURE}
        words = [
            (name.replace("_", ""), value, usual[name]) for name, value in self.arguments().items() if name != "inplace"
        ]
        return label([self.kind, *words])


@dataclass(frozen=True)
class ELU(Elementwise):
    """`x` above 0, else `alpha * (exp(x) - 1)`, or with `x / alpha` for CELU."""

    alpha: float
    inplace: bool

    SIGNATURE = (Argument("alpha", read.number(), 1.0), _INPLACE)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.kind == "CELU" and self.alpha == 0:
            yield "alpha", "alpha is 0, and CELU divides by it; it must be another number"


@dataclass(frozen=True)
class Hardtanh(Elementwise):
    """`min(max(x, min_val), max_val)`."""

    min_val: float
    max_val: float
    inplace: bool

    SIGNATURE = (Argument("min_val", read.number(), -1.0), Argument("max_val", read.number(), 1.0), _INPLACE)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.max_val <= self.min_val:
            yield "max_val", f"max_val is {self.max_val}; it must be above min_val, which is {self.min_val}"


@dataclass(frozen=True)
class GELU(Elementwise):
    """`x` times the normal distribution's cumulative one at `x`, or what tanh makes of that."""

    approximate: str

    SIGNATURE = (Argument("approximate", read.one_of("none", "tanh"), "none"),)

    def _named(self) -> dict[str, tuple[object, object]]:
        # torch prints this one word with its quotes.
        return {"approximate": (repr(self.approximate), None)}


@dataclass(frozen=True)
class Dropout(Elementwise):
    """In eval mode, as everything here is: its input."""

    p: float
    inplace: bool

    SIGNATURE = (Argument("p", probability, 0.5), _INPLACE)

    def axis_map(self, rank: int) -> AxisMap | None:
        return super().axis_map(rank) if self.kind != "Dropout1d" or rank in (2, 3) else None

    def output_shape(self, shape: Shape) -> Shape:
        # The other ones only warn.
        if self.kind == "Dropout1d" and len(shape) not in (2, 3):
            raise ShapeError(f"Dropout1d takes [batch, channels, L] or [channels, L]; {say_rank(shape)}")
        return shape

    def example_inputs(self) -> Shapes:
        return {"Dropout1d": ((2, 3, 4),), "Dropout3d": ((2, 3, 4, 5, 6),)}.get(self.kind, super().example_inputs())

    def roundings(self) -> Roundings:
        return Roundings(sums=0)

    def degree(self) -> int | None:
        return 1

    def _named(self) -> dict[str, tuple[object, object]]:
        return {"p": (self.p, None), "inplace": (self.inplace, None)}


@dataclass(frozen=True)
class Softmax(Weightless):
    """`exp(x[n]) / sum over m of exp(x[m])` along one axis, or the logarithm of that.

    Without `dim`, torch takes the first axis of an input of none, one or three axes, else the second, with a warning.
    """

    dim: int | None

    SIGNATURE = (Argument("dim", read.optional(read.axis), None),)

    def axis(self, rank: int) -> int:
        """Return the axis along which is summed, counted from 0, of an input of so many axes."""
        if self.dim is None:
            return 0 if rank in (0, 1, 3) else 1
        return self.dim % rank if rank else 0

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        return ()

    def axis_map(self, rank: int) -> AxisMap | None:
        least = max(1, rank)
        fits = self.dim is None or -least <= self.dim < least
        return AxisMap(numbered(rank), numbered(rank)) if fits else None

    def output_shape(self, shape: Shape) -> Shape:
        # torch takes a number without axes for an axis of one.
        rank = max(1, len(shape))
        if self.dim is not None and not -rank <= self.dim < rank:
            raise ShapeError(
                f"{self.kind} sums along axis {self.dim}; {say_rank(shape)}, so dim is between {-rank} and {rank - 1}"
            )
        return shape

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        if shape:
            origins.read_all(self.axis(len(shape)))

    def example_inputs(self) -> Shapes:
        axes = 2 if self.dim is None else max(2, self.dim + 1 if self.dim >= 0 else -self.dim)
        return ((*(1,) * (axes - 2), 2, 3),)

    def roundings(self) -> Roundings:
        return Roundings()

    def degree(self) -> int | None:
        return None

    def __str__(self) -> str:
        return f"{self.kind}(dim={self.dim})"

    def label(self) -> str:
        return label([self.kind, "" if self.dim is None else self.dim])


@cache
def _simple(kind: str) -> type[Elementwise]:
    """Return the class of a kind in `ELEMENTWISE`, made of its arguments."""
    arguments = ELEMENTWISE[kind]
    signature = tuple(
        Argument(name, read.flag if isinstance(default, bool) else read.number(), default)
        for name, default in arguments.items()
    )
    named = [(name, type(default)) for name, default in arguments.items()]
    return make_dataclass(
        kind, named, bases=(Elementwise,), frozen=True, namespace={"SIGNATURE": signature, "__module__": __name__}
    )


def __getattr__(name: str) -> type[Elementwise]:
    if name not in ELEMENTWISE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _simple(name)
