"""Batch normalisation as numbers: torch.nn.BatchNorm1d, BatchNorm2d, BatchNorm3d, in eval mode."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, counted
from convcheck.layers.base import Layer, Roundings, Statistic
from convcheck.layers.initialisation import ONES, ZEROS, Init
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import label
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.windows import Window

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


@dataclass(frozen=True)
class BatchNorm(Layer):
    """`y[c] = (x[c] - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]`.

    Mean and variance are the running ones; those of the batch itself if none are tracked.
    """

    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool
    bias: bool

    SIGNATURE = (
        Argument("num_features", read.whole(1)),
        Argument("eps", read.number(0), 1e-5),
        Argument("momentum", read.optional(read.number()), 0.1),
        Argument("affine", read.flag, True),
        Argument("track_running_stats", read.flag, True),
        Argument("bias", read.flag, True, by_name=True),
    )

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        # Without a weight there is no bias either, and torch prints that there is none.
        return {**arguments, "bias": bool(arguments["bias"] and arguments["affine"])}

    def arguments(self) -> dict[str, object]:
        given = super().arguments()
        # Older versions of torch do not know `bias`; they are told of it only where it says something.
        if self.bias == self.affine:
            del given["bias"]
        return given

    def parameters(self) -> dict[str, Shape]:
        names = [name for name, there in (("weight", self.affine), ("bias", self.bias)) if there]
        return dict.fromkeys(names, (self.num_features,))

    def initial_values(self) -> Mapping[str, Init]:
        return {name: ONES if name == "weight" else ZEROS for name in self.parameters()}

    def statistics(self) -> dict[str, Statistic]:
        if not self.track_running_stats:
            return {}
        shape = (self.num_features,)
        return {"running_mean": Statistic(shape), "running_var": Statistic(shape, self.eps)}

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != self.dims + 2 and not (self.dims == 1 and len(shape) == 2):
            legal = f"[batch, {self.num_features}, {', '.join(SPACE_AXES[self.dims]).upper()}]"
            flat = f" or [batch, {self.num_features}]" if self.dims == 1 else ""
            raise ShapeError(f"{self.kind} takes {legal}{flat}; {say_rank(shape)}")
        # With neither weight nor running statistics, torch has nothing to compare the channels with; comparing a name
        # with a number would ask for it.
        if (self.affine or self.track_running_stats) and shape[1] != self.num_features:
            raise ShapeError(f"{self.kind} takes {self.num_features} channels, on axis 1; {list(shape)} has {shape[1]}")
        if not self.track_running_stats and math.prod((shape[0], *shape[2:])) < 2:
            raise ShapeError(
                f"{self.kind} without running statistics takes those of the batch, so more than one value per channel; "
                f"{list(shape)} has one"
            )
        return shape

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        return counted(rank, (channels, *SPACE_AXES[self.dims][: rank - 2]))

    def axis_map(self, rank: int) -> AxisMap | None:
        if rank != self.dims + 2 and not (self.dims == 1 and rank == 2):
            return None
        names = ("batch", "channels", *SPACE_AXES[self.dims][: rank - 2])
        axes = tuple((name,) for name in names)
        known = {"channels": self.num_features} if self.affine or self.track_running_stats else {}
        # Statistics of the batch need more than one value.
        several = () if self.track_running_stats else (names[0], *names[2:])
        return AxisMap(axes, axes, known, several=several)

    def space(self, shape: Shape) -> range:
        return range(2, len(shape))

    def axis_windows(self, shape: Shape) -> list[Window]:
        # The statistics of the batch depend on every position.
        return [Window(1, 1, 1, 0, 0)] * (len(shape) - 2) if self.track_running_stats else []

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        if self.track_running_stats:
            return
        for axis in range(len(shape)):
            origins.read_all(axis)

    def macs(self, shape: Shape) -> int:
        """Return 0, as torch's FlopCounterMode does: `x * scale + shift` is no product of matrices."""
        self.output_shape(shape)
        return 0

    def example_inputs(self) -> Shapes:
        return ((2, self.num_features, *(3, 4, 5)[: self.dims]),)

    def roundings(self) -> Roundings:
        # torch computes scale and shift in at least float32, and rounds the result once.
        return Roundings()

    def degree(self) -> int | None:
        """Return 3: input, weight and the root; 2 without a weight. The batch's own statistics are no polynomial."""
        if not self.track_running_stats:
            return None
        return 3 if self.affine else 2

    def __str__(self) -> str:
        return (
            f"{self.kind}({self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias}, track_running_stats={self.track_running_stats})"
        )

    def label(self) -> str:
        without = [
            ("", "noaffine" if not self.affine else "" if self.bias else "nobias", ""),
            ("", "" if self.track_running_stats else "nostats", ""),
        ]
        # The momentum moves the statistics in training, and leaves the function in eval mode as it is.
        return label([self.kind, self.num_features, ("eps", self.eps, 1e-5), *without])
