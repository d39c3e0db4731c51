"""Pooling to a size: torch.nn.AdaptiveAvgPool1d, 2d, 3d and AdaptiveMaxPool1d, 2d, 3d."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from convcheck.layers.counted import Counted
from convcheck.layers.shape_checks import check_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.layers.text.notation import axis_formulas
from convcheck.sizes.patterns import Shape, Shapes
from convcheck.sizes.windows import Window

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


def _size(value: object, dims: int) -> object:
    """Read one length for all axes, or one for each; None keeps an axis as it is."""
    several = isinstance(value, (tuple, list))
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    known = [length for length in values if length is not None or dims == 1 or not several]
    legal = all(isinstance(length, int) and not isinstance(length, bool) and length > 0 for length in known)
    if len(values) != dims or not legal:
        raise BadValueError("a whole number at least 1" + (f", or {dims} of them or of None" if dims > 1 else ""))
    return tuple(value) if isinstance(value, (tuple, list)) else value


@dataclass(frozen=True)
class AdaptivePool(Counted):
    """`y[n]` of the inputs from `floor(n * length / size)` to below `ceil((n + 1) * length / size)`, by channel."""

    output_size: int | tuple[int | None, ...]

    SIGNATURE: ClassVar[tuple[Argument, ...]] = (Argument("output_size", _size),)
    PRINTED = ("output_size",)

    @property
    def size(self) -> tuple[int | None, ...]:
        """The output's length along every spatial axis; None where it is the input's."""
        return self.output_size if isinstance(self.output_size, tuple) else (self.output_size,) * self.dims

    def output_shape(self, shape: Shape) -> Shape:
        check_rank(shape, self.dims, "channels", self.kind)
        space = shape[-self.dims :]
        return (*shape[: -self.dims], *(old if new is None else new for old, new in zip(space, self.size, strict=True)))

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        yield from axis_formulas([f"output_size of {length}" for length in shape[-self.dims :]], output)

    def space(self, *shapes: Shape) -> range:
        return range(len(shapes[0]) - self.dims, len(shapes[0]))

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        for axis, new in zip(self.space(shape), self.size, strict=True):
            if new == 1:
                origins.mix(axis)
            elif new is not None and isinstance(shape[axis], int) and shape[axis] % new == 0:
                width = shape[axis] // new
                origins.step(axis, Window(width, width, 1, 0, 0))
            elif new is not None:
                # The windows are not all of one width.
                origins.forget(axis)

    def example_inputs(self) -> Shapes:
        return ((2, 3, *(5 if size is None else 2 * size + 1 for size in self.size)),)


@dataclass(frozen=True)
class AdaptiveMaxPool(AdaptivePool):
    """The maximum of each, and where asked for, its position as well."""

    return_indices: bool

    SIGNATURE = (*AdaptivePool.SIGNATURE, Argument("return_indices", read.flag, False))
