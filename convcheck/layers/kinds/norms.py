"""Normalisations of one input by itself: torch.nn.LayerNorm, RMSNorm, GroupNorm and InstanceNorm1d to 3d.

None of them is counted in MACs, as torch's FlopCounterMode counts none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.base import Statistic
from convcheck.layers.counted import Counted
from convcheck.layers.initialisation import ONES, ZEROS, Init
from convcheck.layers.shape_checks import check_rank, say_rank
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


_EPS = read.number(0)


@dataclass(frozen=True)
class _Normalisation(Counted):
    """Weight and bias start as ones and zeros."""

    DIMS: ClassVar[int | None] = 0

    def initial_values(self) -> Mapping[str, Init]:
        return {name: ONES if name == "weight" else ZEROS for name in self.parameters()}

    def axis_map(self, rank: int) -> AxisMap | None:
        return AxisMap(numbered(rank), numbered(rank))


@dataclass(frozen=True)
class LayerNorm(_Normalisation):
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
        Argument("eps", _EPS, 1e-5),
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
        Argument("eps", read.optional(_EPS), None),
        Argument("elementwise_affine", read.flag, True),
    )
    PRINTED = ("eps", "elementwise_affine")

    def arguments(self) -> dict[str, object]:
        return {name: value for name, value in super().arguments().items() if name != "bias"}


@dataclass(frozen=True)
class GroupNorm(_Normalisation):
    """The same over groups of channels, and all positions, of `[batch, channels, ...]`."""

    num_groups: int
    num_channels: int
    eps: float
    affine: bool
    bias: bool

    SIGNATURE = (
        Argument("num_groups", read.whole(1)),
        Argument("num_channels", read.whole(1)),
        Argument("eps", _EPS, 1e-5),
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


@dataclass(frozen=True)
class InstanceNorm(_Normalisation):
    """The same over all positions of every channel by itself; with running statistics by those."""

    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool
    bias: bool

    DIMS: ClassVar[int | None] = None
    SIGNATURE = (
        Argument("num_features", read.whole(1)),
        Argument("eps", _EPS, 1e-5),
        Argument("momentum", read.optional(read.number()), 0.1),
        Argument("affine", read.flag, False),
        Argument("track_running_stats", read.flag, False),
        Argument("bias", read.flag, True, by_name=True),
    )
    LEADING = ("num_features",)
    PRINTED = ("eps", "momentum", "affine", "bias", "track_running_stats")

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        return {**arguments, "bias": bool(arguments["bias"] and arguments["affine"])}

    def arguments(self) -> dict[str, object]:
        given = super().arguments()
        return given if self.bias != self.affine else {n: v for n, v in given.items() if n != "bias"}

    def parameters(self) -> dict[str, Shape]:
        there = {"weight": self.affine, "bias": self.bias}
        return {name: (self.num_features,) for name, wanted in there.items() if wanted}

    def statistics(self) -> dict[str, Statistic]:
        if not self.track_running_stats:
            return {}
        shape = (self.num_features,)
        return {"running_mean": Statistic(shape), "running_var": Statistic(shape, self.eps)}

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, self.dims, self.num_features, self.kind)
        counted = shape[-self.dims - 1]
        # With neither weight nor running statistics, torch only warns of another number.
        if (self.affine or self.track_running_stats) and counted != self.num_features:
            raise ShapeError(f"{self.kind} takes {self.num_features} channels; {list(shape)} has {counted}")
        if not self.track_running_stats and math.prod(shape[-self.dims :]) == 1:
            raise ShapeError(f"{self.kind} needs more than one position; {list(shape)} has one")
        return shape

    def axis_map(self, rank: int) -> AxisMap | None:
        return super().axis_map(rank) if rank - self.dims in (1, 2) else None

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        for axis in range(len(shape) - self.dims, len(shape)):
            origins.read_all(axis)

    def example_inputs(self) -> Shapes:
        return ((2, self.num_features, *(3, 4, 5)[: self.dims]),)


@dataclass(frozen=True)
class FrozenBatchNorm(_Normalisation):
    """torchvision's and transformers': a BatchNorm whose four tensors are no parameters. Not all print its channels."""

    num_features: int | None
    eps: float

    DIMS = 2
    SIGNATURE = (Argument("num_features", read.optional(read.whole(1)), None), Argument("eps", _EPS, 1e-5))
    LEADING = ("num_features",)
    PRINTED = ("eps",)

    def output_shape(self, shape: Shape) -> Shape:
        channels = self.num_features if self.num_features is not None else "channels"
        if len(shape) != 4 or channels not in ("channels", shape[1]):
            raise ShapeError(f"{self.kind} takes [batch, {channels}, H, W]; {say_rank(shape)}: {list(shape)}")
        return shape

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        """Change nothing: every output reads the input at the same position."""

    def example_inputs(self) -> Shapes:
        return ((2, self.num_features or 3, 4, 5),)


@dataclass(frozen=True)
class SyncBatchNorm(InstanceNorm):
    """A BatchNorm of `[batch, channels, ...]`, of any number of axes, whose statistics are those of all processes."""

    DIMS = 0
    SIGNATURE = (
        *InstanceNorm.SIGNATURE[:3],
        Argument("affine", read.flag, True),
        Argument("track_running_stats", read.flag, True),
        *InstanceNorm.SIGNATURE[5:],
    )

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ShapeError(f"{self.kind} takes [batch, {self.num_features}, ...]; {say_rank(shape)}")
        if (self.affine or self.track_running_stats) and shape[1] != self.num_features:
            raise ShapeError(f"{self.kind} takes {self.num_features} channels, on axis 1; {list(shape)} has {shape[1]}")
        if not self.track_running_stats and math.prod((shape[0], *shape[2:])) == 1:
            raise ShapeError(
                f"{self.kind} without running statistics needs several values a channel; {list(shape)} has one"
            )
        return shape

    def axis_map(self, rank: int) -> AxisMap | None:
        return AxisMap(numbered(rank), numbered(rank)) if rank > 1 else None

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        if not self.track_running_stats:
            for axis in range(len(shape)):
                origins.read_all(axis)

    def example_inputs(self) -> Shapes:
        return ((2, self.num_features, 3, 4),)
