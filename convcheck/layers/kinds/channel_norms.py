"""Normalisations channel by channel: torch.nn.InstanceNorm1d to 3d, SyncBatchNorm, and batch norms that are frozen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.base import Statistic
from convcheck.layers.shape_checks import check_rank, say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


from convcheck.layers.kinds.norms import EPS, Normalisation


@dataclass(frozen=True)
class InstanceNorm(Normalisation):
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
        Argument("eps", EPS, 1e-5),
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
class FrozenBatchNorm(Normalisation):
    """torchvision's and transformers': a BatchNorm whose four tensors are no parameters. Not all print its channels."""

    num_features: int | None
    eps: float

    DIMS = 2
    SIGNATURE = (Argument("num_features", read.optional(read.whole(1)), None), Argument("eps", EPS, 1e-5))
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
