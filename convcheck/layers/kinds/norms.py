"""Normalisations of one input by itself: torch.nn.LayerNorm, RMSNorm and GroupNorm.

None of them is counted in MACs, as torch's FlopCounterMode counts none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.counted import Counted
from convcheck.layers.initialisation import ONES, ZEROS, Init
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import divisors
from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convcheck.sizes.axis_origins import AxisOrigins


def _shape(value: object, dims: int) -> object:
    """Read the lengths of the last axes; one number is that of the last."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value,)
    if isinstance(value, (tuple, list)) and -1 in value:
        raise read.BadValueError("whole numbers at least 1")
    return read.sizes(value, dims)


EPS = read.number(0)


@dataclass(frozen=True)
class Normalisation(Counted):
    """Weight and bias start as ones and zeros."""

    DIMS: ClassVar[int | None] = 0

    def initial_values(self) -> Mapping[str, Init]:
        return {name: ONES if name == "weight" else ZEROS for name in self.parameters()}

    def axis_map(self, rank: int) -> AxisMap | None:
        return AxisMap(numbered(rank), numbered(rank))


@dataclass(frozen=True)
class LayerNorm(Normalisation):
    """`(x - mean) / sqrt(variance + eps) * weight + bias`, over the last axes, as many as `normalized_shape` has.

    Subclasses of other libraries normalise the channels of `[b, c, h, w]`, or the last axis, which their print does not
    say; either keeps the shape.
    """

    normalized_shape: Shape
    eps: float
    elementwise_affine: bool
    bias: bool

    SIGNATURE: ClassVar[tuple[Argument, ...]] = (
        Argument("normalized_shape", _shape),
        Argument("eps", EPS, 1e-5),
        Argument("elementwise_affine", read.flag, True),
        Argument("bias", read.flag, True),
    )
    LEADING = ("normalized_shape",)
    PRINTED: ClassVar[tuple[str, ...]] = ("eps", "elementwise_affine", "bias")

    def parameters(self) -> dict[str, Shape]:
        there = {"weight": self.elementwise_affine, "bias": self.elementwise_affine and self.bias}
        return {name: self.normalized_shape for name, wanted in there.items() if wanted}

    def output_shape(self, shape: Shape) -> Shape:
        last = self.normalized_shape
        of_channels = len(last) == 1 and len(shape) == 4 and shape[1] == last[0]
        if self.kind == "LayerNorm2d":
            fits, wanted = of_channels, f"[batch, {last[0]}, H, W]"
        else:
            fits, wanted = shape[-len(last) :] == last, f"[..., {', '.join(map(str, last))}]"
            fits = fits or (of_channels and self.kind not in ("LayerNorm", "RMSNorm"))
        if not fits:
            raise ShapeError(f"{self.kind} takes {wanted}; not {list(shape)}")
        return shape

    def axis_map(self, rank: int) -> AxisMap | None:
        last = self.normalized_shape
        if rank < len(last) or self.kind not in ("LayerNorm", "RMSNorm"):
            return None
        axes = (*numbered(rank - len(last)), *((f"normalized {number}",) for number in range(len(last))))
        return AxisMap(axes, axes, {f"normalized {number}": length for number, length in enumerate(last)})

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        if shape[-len(self.normalized_shape) :] == self.normalized_shape:
            for axis in range(len(shape) - len(self.normalized_shape), len(shape)):
                origins.read_all(axis)

    def example_inputs(self) -> Shapes:
        return ((2, *self.normalized_shape, 3, 4),) if self.kind == "LayerNorm2d" else ((2, 3, *self.normalized_shape),)


@dataclass(frozen=True)
class RMSNorm(LayerNorm):
    """`x / sqrt(mean of x squared + eps) * weight`, over the last axes."""

    eps: float | None  # type: ignore[assignment]  # None is the dtype's own
    bias: bool = False

    SIGNATURE = (
        Argument("normalized_shape", _shape),
        Argument("eps", read.optional(EPS), None),
        Argument("elementwise_affine", read.flag, True),
    )
    PRINTED = ("eps", "elementwise_affine")

    def arguments(self) -> dict[str, object]:
        return {name: value for name, value in super().arguments().items() if name != "bias"}


@dataclass(frozen=True)
class GroupNorm(Normalisation):
    """The same over groups of channels, and all positions, of `[batch, channels, ...]`."""

    num_groups: int
    num_channels: int
    eps: float
    affine: bool
    bias: bool

    SIGNATURE = (
        Argument("num_groups", read.whole(1)),
        Argument("num_channels", read.whole(1)),
        Argument("eps", EPS, 1e-5),
        Argument("affine", read.flag, True),
        Argument("bias", read.flag, True),
    )
    LEADING = ("num_groups", "num_channels")
    PRINTED = ("eps", "affine", "bias")

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.num_channels % self.num_groups:
            yield (
                "num_groups",
                f"num_groups is {self.num_groups} and must divide num_channels, which is {self.num_channels}; what "
                f"divides it is {divisors(self.num_channels)}",
            )

    def parameters(self) -> dict[str, Shape]:
        there = {"weight": self.affine, "bias": self.affine and self.bias}
        return {name: (self.num_channels,) for name, wanted in there.items() if wanted}

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2 or shape[1] != self.num_channels:
            raise ShapeError(f"{self.kind} takes [batch, {self.num_channels}, ...]; not {list(shape)}")
        # torch counts the values of one group so.
        if math.prod((shape[0] * self.num_channels // self.num_groups, *shape[2:])) == 1:
            raise ShapeError(f"{self.kind} needs more than one value in a group; {list(shape)} has one")
        return shape

    def axis_map(self, rank: int) -> AxisMap | None:
        if rank < 2:
            return None
        axes = (("axis 0",), ("channels",), *numbered(rank)[2:])
        return AxisMap(axes, axes, {"channels": self.num_channels})

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        for axis in range(1, len(shape)):
            origins.read_all(axis)

    def example_inputs(self) -> Shapes:
        return ((2, self.num_channels, 3, 4),)
