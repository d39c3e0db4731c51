"""What keeps its input's shape and has no parameters: activations and drops that nothing else is said of.

Names of other libraries stand in `convcheck.layers.families`; such a print may say anything of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from convcheck.errors import NotPrintedError, ShapeError
from convcheck.layers.counted import Counted, Keeping
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import compact, label
from convcheck.sizes.patterns import Shape, Shapes

_INPLACE = Argument("inplace", read.flag, False)


def _anything(value: object, dims: int) -> object:
    assert isinstance(value, Mapping)
    return tuple((str(name), given) for name, given in value.items())


@dataclass(frozen=True)
class Foreign(Keeping):
    """An activation, a dropout or a path that is dropped, of timm, torchvision, transformers or diffusers."""

    settings: tuple[tuple[str, object], ...]

    SIGNATURE = ()
    KEYWORDS = Argument("settings", _anything)

    def __str__(self) -> str:
        return compact(self.kind, [], {name: (value, None) for name, value in self.settings})

    def label(self) -> str:
        return label([self.kind, *(f"{name}{value}".replace(" ", "") for name, value in self.settings)])


_UNSIZED: Mapping[str, tuple[tuple[str, ...], int]] = {
    "T5LayerNorm": (("weight",), -1),
    "LayerScale": (("gamma",), -1),
    "LayerScale2d": (("gamma",), 1),
    "Dinov2LayerScale": (("lambda1",), -1),
    "Affine": (("alpha", "beta"), -1),
    "ConvNextV2GRN": (("weight", "bias"), -1),
}
"""The parameters of classes that print nothing of them, and the axis of the input that they are as long as."""


@dataclass(frozen=True)
class Unsized(Foreign):
    """A scale or a norm of timm and transformers with parameters for all features, which its print leaves out."""

    features: int | None

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        return {**arguments, "features": None}

    def given(self, *shapes: Shape) -> Unsized:
        (shape,) = shapes
        axis = _UNSIZED[self.kind][1]
        return replace(self, features=shape[axis]) if -len(shape) <= axis < len(shape) else self

    def parameters(self) -> dict[str, Shape]:
        return {} if self.features is None else dict.fromkeys(_UNSIZED[self.kind][0], (self.features,))

    def assumption(self) -> str:
        return (
            f"{self.kind} prints nothing of its parameters: shape counts them by its input, and params leaves them out"
        )


@dataclass(frozen=True)
class Unprinted(Counted):
    """What has no parameters, and prints nothing of the shape that it makes: windows, positions, steps in time."""

    settings: tuple[tuple[str, object], ...]

    DIMS = 0
    SIGNATURE = ()
    KEYWORDS = Argument("settings", _anything)

    def output_shape(self, *_shapes: Shape) -> Shape:
        raise NotPrintedError(f"{self.kind} does not print what it makes; leave it out, or write what does the same")

    def example_inputs(self) -> Shapes:
        return ((2, 3, 4),)

    def __str__(self) -> str:
        return compact(self.kind, [], {name: (value, None) for name, value in self.settings})

    def label(self) -> str:
        return label([self.kind, *(f"{name}{value}".replace(" ", "") for name, value in self.settings)])


@dataclass(frozen=True)
class Threshold(Keeping):
    """`x` above the threshold, else `value`."""

    threshold: float
    value: float
    inplace: bool

    SIGNATURE = (Argument("threshold", read.number()), Argument("value", read.number()), _INPLACE)
    PRINTED = ("threshold", "value")


@dataclass(frozen=True)
class Shrink(Keeping):
    """0 between `-lambd` and `lambd`; outside `x`, for Softshrink less `lambd`."""

    lambd: float

    SIGNATURE = (Argument("lambd", read.number(0), 0.5),)
    LEADING = ("lambd",)


@dataclass(frozen=True)
class Tanhshrink(Keeping):
    """`x - tanh(x)`."""

    SIGNATURE = ()


@dataclass(frozen=True)
class RReLU(Keeping):
    """`x` above 0, else `x` times the mean of `lower` and `upper`, in eval mode."""

    lower: float
    upper: float
    inplace: bool

    SIGNATURE = (Argument("lower", read.number(), 1 / 8), Argument("upper", read.number(), 1 / 3), _INPLACE)
    PRINTED = ("lower", "upper")


@dataclass(frozen=True)
class Softmin(Keeping):
    """A softmax of `-x` along `dim`."""

    dim: int | None

    SIGNATURE = (Argument("dim", read.optional(read.axis), None),)
    PRINTED = ("dim",)

    def output_shape(self, shape: Shape) -> Shape:
        rank = max(1, len(shape))
        if self.dim is not None and not -rank <= self.dim < rank:
            raise ShapeError(
                f"Softmin sums along axis {self.dim}; {say_rank(shape)}, so dim is between {-rank} and {rank - 1}"
            )
        return shape


@dataclass(frozen=True)
class Softmax2d(Keeping):
    """A softmax over the channels of an image."""

    SIGNATURE = ()

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (3, 4):
            raise ShapeError(f"{self.kind} takes [batch, channels, H, W] or [channels, H, W]; {say_rank(shape)}")
        return shape


@dataclass(frozen=True)
class LocalResponseNorm(Keeping):
    """`x[c] / (k + alpha * mean over size neighbouring channels of x squared) ** beta`."""

    size: int
    alpha: float
    beta: float
    k: float

    SIGNATURE = (
        Argument("size", read.whole(1)),
        Argument("alpha", read.number(), 1e-4),
        Argument("beta", read.number(), 0.75),
        Argument("k", read.number(), 1.0),
    )
    LEADING = ("size",)
    PRINTED = ("alpha", "beta", "k")

    def output_shape(self, shape: Shape) -> Shape:
        least = 4 if self.kind == "CrossMapLRN2d" else 3
        if len(shape) < least or (least == 4 and len(shape) > 4):
            raise ShapeError(
                f"{self.kind} takes [batch, channels, {'H, W' if least == 4 else '...'}]; {say_rank(shape)}"
            )
        return shape

    def example_inputs(self) -> Shapes:
        return ((2, 5, 3, 4),)
