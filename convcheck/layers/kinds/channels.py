"""What looks at one axis: torch.nn.PReLU, GLU and ChannelShuffle, and torchvision's Permute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import NotPrintedError, ShapeError
from convcheck.layers.axis_map import AxisMap, numbered
from convcheck.layers.counted import Counted, Keeping
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


@dataclass(frozen=True)
class PReLU(Keeping):
    """`x` above 0, else `weight[c] * x`, with one weight for every channel on axis 1, or one for all."""

    num_parameters: int
    init: float

    ANY_SHAPE = False
    SIGNATURE = (Argument("num_parameters", read.whole(1), 1), Argument("init", read.number(), 0.25))
    PRINTED = ("num_parameters",)

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (self.num_parameters,)}

    def output_shape(self, shape: Shape) -> Shape:
        channels = shape[1] if len(shape) > 1 else 1
        if self.num_parameters != 1 and channels != self.num_parameters:
            raise ShapeError(f"PReLU takes {self.num_parameters} channels, on axis 1; {list(shape)} has {channels}")
        return shape

    def example_inputs(self) -> Shapes:
        return ((2, self.num_parameters if self.num_parameters > 1 else 3, 4, 5),)


@dataclass(frozen=True)
class GLU(Counted):
    """The first half along `dim`, times the sigmoid of the second half."""

    dim: int

    DIMS = 0
    SIGNATURE = (Argument("dim", read.axis, -1),)
    PRINTED = ("dim",)

    def output_shape(self, shape: Shape) -> Shape:
        if not -len(shape) <= self.dim < len(shape):
            raise ShapeError(f"GLU halves axis {self.dim}; {say_rank(shape)}")
        at = self.dim % len(shape)
        if shape[at] % 2:
            raise ShapeError(f"GLU halves axis {self.dim}, and {shape[at]} is odd in {list(shape)}")
        return (*shape[:at], shape[at] // 2, *shape[at + 1 :])

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        origins.forget(self.dim % len(shape))

    def example_inputs(self) -> Shapes:
        rank = max(3, self.dim + 1, -self.dim)
        return ((*(2,) * (rank - 1), 4),)


@dataclass(frozen=True)
class ChannelShuffle(Counted):
    """Channels `(groups c)` as `(c groups)`."""

    groups: int

    DIMS = 0
    SIGNATURE = (Argument("groups", read.whole(1)),)
    PRINTED = ("groups",)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) < 3:
            raise ShapeError(f"ChannelShuffle takes [batch, channels, ...] of 3 axes or more; {say_rank(shape)}")
        if shape[1] % self.groups:
            raise ShapeError(
                f"ChannelShuffle has {self.groups} groups, which {shape[1]} channels are not a multiple of"
            )
        return shape

    def axis_map(self, rank: int) -> AxisMap | None:
        return AxisMap(numbered(rank), numbered(rank)) if rank > 2 and self.groups == 1 else super().axis_map(rank)

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        """Change nothing along space."""

    def example_inputs(self) -> Shapes:
        return ((2, 2 * self.groups, 3, 4),)


@dataclass(frozen=True)
class ImageTokens(Counted):
    """`b c h w -> b (h w) c`: transformers' CvT calls it a projection."""

    DIMS = 0
    SIGNATURE = ()

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 4:
            raise ShapeError(f"{self.kind} takes [batch, channels, H, W]; {say_rank(shape)}")
        batch, channels, height, width = shape
        return (batch, height * width, channels)

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        batch, channels, *space = origins.axes
        origins.axes = [batch, origins.joined(space), channels]

    def example_inputs(self) -> Shapes:
        return ((2, 3, 4, 5),)


def _axes(value: object, dims: int) -> object:
    """Read the order of axes: every number once; None where it was not printed."""
    if value is None:
        return None
    if not isinstance(value, (tuple, list)) or not all(isinstance(axis, int) for axis in value):
        raise BadValueError("the numbers of all axes, in their new order")
    rank = len(value)
    if sorted(axis % rank if -rank <= axis < rank else -1 for axis in value) != list(range(rank)):
        raise BadValueError("the numbers of all axes, each once")
    return tuple(value)


@dataclass(frozen=True)
class Permute(Counted):
    """Axes in another order. torchvision prints `Permute()`, which does not say in which."""

    dims_in_order: tuple[int, ...] | None

    DIMS = 0
    SIGNATURE = (Argument("dims", _axes, None),)
    LEADING = ("dims",)

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        return {"dims_in_order": arguments["dims"]}

    def arguments(self) -> dict[str, object]:
        return {"dims": self.dims_in_order}

    def order(self, rank: int) -> tuple[int, ...]:
        """Return the axes of the input in the output's order. Raises ShapeError where they are not known, or others."""
        if self.dims_in_order is None:
            raise NotPrintedError("Permute() is printed without its axes; write them, as in Permute((0, 2, 3, 1))")
        if len(self.dims_in_order) != rank:
            raise ShapeError(f"{self} takes {len(self.dims_in_order)} axes, and the input has {rank}")
        return tuple(axis % rank for axis in self.dims_in_order)

    def output_shape(self, shape: Shape) -> Shape:
        return tuple(shape[axis] for axis in self.order(len(shape)))

    def axis_map(self, rank: int) -> AxisMap | None:
        axes = numbered(rank)
        return AxisMap(axes, tuple(axes[axis] for axis in self.order(rank)))

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        origins.axes = [origins.axes[axis] for axis in self.order(len(shape))]

    def example_inputs(self) -> Shapes:
        return (tuple(range(2, 2 + len(self.dims_in_order or (0,) * 4))),)
