"""Larger or smaller images: torch.nn.Upsample, UpsamplingNearest2d and UpsamplingBilinear2d."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from convcheck.errors import ShapeError
from convcheck.layers.counted import Counted
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.sizes.lengths import as_formula
from convcheck.sizes.patterns import SPACE_AXES, Shape, Shapes
from convcheck.sizes.windows import TransposedWindow

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins

_AXES = {"linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,)}
_MODES = ("nearest", "nearest-exact", "area", *_AXES)


def _factor(value: object, dims: int) -> object:
    """Read a number above 0, or one for each of one to three axes, as floats: so torch keeps them."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not 1 <= len(values) <= 3 or not all(_is_factor(factor) for factor in values):
        raise BadValueError("a number above 0, or one for each axis")
    floats = tuple(float(cast("float", factor)) for factor in values)
    return floats if isinstance(value, (tuple, list)) else floats[0]


def _is_factor(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9


_SIZES = (Argument("size", read.optional(read.few(1)), None), Argument("scale_factor", read.optional(_factor), None))


@dataclass(frozen=True)
class Upsample(Counted):
    """Of every spatial axis `size`, or `floor(length * scale_factor)`, positions. Channels stay."""

    size: int | Shape | None
    scale_factor: float | tuple[float, ...] | None
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None

    DIMS = 0
    SIGNATURE: ClassVar[tuple[Argument, ...]] = (
        *_SIZES,
        Argument("mode", read.one_of(*_MODES), "nearest"),
        Argument("align_corners", read.optional(read.flag), None),
        Argument("recompute_scale_factor", read.optional(read.flag), None),
    )

    def __str__(self) -> str:
        first = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        # torch does not print it, and on the CPU no size depends on it.
        corners = "" if self.align_corners is None else f", align_corners={self.align_corners}"
        return f"{self.kind}({first}, mode={self.mode!r}{corners})"

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if (self.size is None) == (self.scale_factor is None):
            yield "size", "one of size and scale_factor needs to be given, and not both"
        if self.align_corners is not None and self.mode not in _AXES:
            yield "align_corners", f"align_corners is for linear and cubic modes, and mode is {self.mode!r}"
        if self.recompute_scale_factor and self.size is not None:
            yield "recompute_scale_factor", "recompute_scale_factor is for a scale_factor, and a size is given"
        given = self.size if self.size is not None else self.scale_factor
        axes = _AXES.get(self.mode, (1, 2, 3))
        if isinstance(given, tuple) and len(given) not in axes:
            yield "mode", f"mode is {self.mode!r}, which is for {axes[0]} spatial axes, and {given} is for {len(given)}"

    def output_shape(self, shape: Shape) -> Shape:
        dims = len(shape) - 2
        legal = _AXES.get(self.mode, (1, 2, 3))
        if dims not in legal:
            wanted = " or ".join(f"[batch, channels, {', '.join(SPACE_AXES[n]).upper()}]" for n in legal)
            raise ShapeError(f"{self.kind} with mode {self.mode!r} takes {wanted}; {say_rank(shape)}")
        given: int | float | tuple[float, ...] | None = self.size if self.size is not None else self.scale_factor
        values = given if isinstance(given, tuple) else (given,) * dims
        if len(values) != dims:
            name = "size" if self.size is not None else "scale_factor"
            raise ShapeError(
                f"{name} is {given}, and {list(shape)} has {dims} spatial {'axis' if dims == 1 else 'axes'}"
            )
        if self.size is not None:
            return (*shape[:2], *cast("Shape", values))
        lengths = [_scaled(length, cast("float", factor)) for length, factor in zip(shape[2:], values, strict=True)]
        for axis, length, scaled in zip(SPACE_AXES[dims], shape[2:], lengths, strict=True):
            if scaled < 1:
                raise ShapeError(f"axis {axis} of length {length} times {given} is empty")
        return (*shape[:2], *lengths)

    def explain(self, shape: Shape) -> Iterator[str]:
        output = self.output_shape(shape)
        given = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,) * (len(shape) - 2)
        for number, axis in enumerate(SPACE_AXES[len(shape) - 2], start=2):
            formula = f"floor({shape[number]} * {given[number - 2]})" if self.size is None else "size"
            yield f"{axis}: {formula} = {output[number]}"

    def space(self, *shapes: Shape) -> range:
        return range(2, len(shapes[0]))

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        output = self.output_shape(shape)
        for axis in self.space(shape):
            old, new = shape[axis], output[axis]
            if self.mode == "nearest" and isinstance(old, int) and new % old == 0:
                times = new // old
                origins.step(axis, TransposedWindow(times, times, 1, 0, 0))
            else:
                origins.forget(axis)

    def example_inputs(self) -> Shapes:
        given = self.size if self.size is not None else self.scale_factor
        dims = len(given) if isinstance(given, tuple) else _AXES.get(self.mode, (2,))[0]
        return ((2, 3, *(4, 6, 8)[:dims]),) if self.size is not None else ((2, 3, *self._lengths(dims)),)

    def _lengths(self, dims: int) -> Shape:
        """Return lengths that stay above 1 when they are scaled."""
        factors = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor or 1.0,) * dims
        return tuple(max(4, math.ceil(2 / factor)) for factor in factors)


@dataclass(frozen=True)
class UpsamplingNearest2d(Upsample):
    """The nearest position, of an image. Its print has the mode, which is no argument of it."""

    align_corners: None = None
    recompute_scale_factor: None = None

    SIGNATURE = (*_SIZES, Argument("mode", read.one_of("nearest"), "nearest"))

    def arguments(self) -> dict[str, object]:
        return {"size": self.size, "scale_factor": self.scale_factor}


@dataclass(frozen=True)
class UpsamplingBilinear2d(UpsamplingNearest2d):
    """Between the four nearest positions, of an image, with its corners on those of the input."""

    SIGNATURE = (*_SIZES, Argument("mode", read.one_of("bilinear"), "bilinear"))


def _scaled(length: int, factor: float) -> int:
    """Return `floor(length * factor)` as torch computes it, in float64; of a formula, exactly."""
    if as_formula(length) is None:
        return math.floor(float(length) * factor)
    above, below = factor.as_integer_ratio()
    if below > 1024:
        raise ShapeError(
            f"{length} * {factor} is no formula; write a scale_factor such as 2 or 0.5, or a number for {length}"
        )
    return length * above // below
