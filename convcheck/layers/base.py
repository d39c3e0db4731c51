"""What every kind of layer can say about itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from convcheck.layers.axis_map import AxisMap, UnknownMapError, counted
from convcheck.layers.initialisation import Init
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import SPACE_AXES, Group, Shape, Shapes
from convcheck.sizes.windows import TransposedWindow, Window

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


class Roundings(NamedTuple):
    """How often one output entry is rounded to the tensor's dtype on its way.

    `sums` counts the partial sums that are stored in the dtype: 1 for a single accumulation in a wider type.
    `products_apart` says that every product is stored by itself, and so may underflow; its other rounding is counted in
    `sums`. `bias_apart` says that the bias is added to the stored sum, which is then rounded again.
    """

    sums: int = 1
    bias_apart: bool = False
    products_apart: bool = False


class Statistic(NamedTuple):
    """A tensor that a layer gathers in training; a variance has the `eps` that is added before its root is taken."""

    shape: Shape
    eps: float | None = None


@dataclass(frozen=True)
class Layer(ABC):
    """A layer as torch prints it. Its fields are torch's own arguments, completed and normalised.

    What depends on the input takes its shape, or the shapes of all inputs where a kind takes several.
    """

    kind: str
    """torch's name, such as `Conv2d`."""

    DIMS: ClassVar[int | None] = None
    """The number of spatial axes; None where the kind's name says it, such as `Conv2d`, or there are none."""

    SIGNATURE: ClassVar[tuple[Argument, ...]]
    """torch's own arguments, in torch's order."""

    INPUT_COUNTS: ClassVar[tuple[int, ...]] = (1,)
    """How many inputs it takes."""

    ANY_SHAPE: ClassVar[bool] = False
    """Whether it takes inputs of any shape, and keeps it."""

    MIXES_CHANNELS: ClassVar[bool] = False
    """Whether an output is made of several channels; they stand before the axes of `space`."""

    IS_CONTAINER: ClassVar[bool] = False
    """Whether its arguments are other layers, its field `layers`."""

    ADJUSTABLE: ClassVar[tuple[str, ...]] = ()
    """Arguments with a number for every spatial axis that change the output's size: of padding, output_padding, stride,
    output_spatial_shape."""

    PADDING_CAVEAT: ClassVar[str] = ""
    """A note for answers that write the padding out."""

    IS_USER_CODE: ClassVar[bool] = False
    """Whether its forward is the user's own code, so that it answers by being run."""

    COUNTED_ONLY: ClassVar[bool] = False
    """Whether only the calculator knows it, so that nothing is proved of it as text."""

    SEVERAL_OUTPUTS: ClassVar[bool] = False
    """Whether torch returns something beside its output, so that no layer of a Sequential can come behind it."""

    KEYWORDS: ClassVar[Argument | None] = None
    """The reader of all keywords that the signature does not name, as one mapping; None where there may be none."""

    @classmethod
    def dims_of(cls, kind: str) -> int:
        """Return the number of spatial axes of a kind of this class."""
        if cls.DIMS is not None:
            return cls.DIMS
        return int(kind[-2]) if kind[-2:-1].isdigit() and kind[-1] == "d" else 0

    @property
    def dims(self) -> int:
        """The number of spatial axes."""
        return self.dims_of(self.kind)

    def arguments(self) -> dict[str, object]:
        """Return torch's constructor arguments, all of them, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "kind"}

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        """Return all arguments, with those filled in that torch derives from the others."""
        return arguments

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        """Yield (argument, message) for arguments that are fine alone and impossible together."""
        yield from ()

    @abstractmethod
    def __str__(self) -> str:
        """The layer exactly as torch prints it."""

    @abstractmethod
    def label(self) -> str:
        """A short name without spaces, for a case that has none."""

    @abstractmethod
    def parameters(self) -> dict[str, Shape]:
        """Return the shape of every parameter, by torch's name for it."""

    def statistics(self) -> dict[str, Statistic]:
        """Return what the layer keeps besides its parameters and computes with, by torch's name for it."""
        return {}

    @abstractmethod
    def output_shape(self, *shapes: Any, **_: Any) -> Shape:
        """Return the output's shape for inputs of these shapes, as many as `INPUT_COUNTS` says.

        Raises:
            ShapeError: torch would not take inputs of these shapes, or the output would be empty.
        """

    @abstractmethod
    def macs(self, *shapes: Any, **_: Any) -> int:
        """Return the multiply-accumulates for the whole batch; adding a bias multiplies nothing, so it is not in."""

    def explain(self, *shapes: Any) -> Iterator[str]:
        """Yield how the axes of the output come about, `axis: formula = length`; nothing where the input's shape stays.

        Behind the colon stands an equation, in which torch's names of arguments stand for their values, and `floor`,
        `ceil` and `min` are taken of quotients. Formulas: torch.nn, section "Shape" of every layer.
        Axes: `o` the output's channels, `l`, `h w` or `t h w` space; others are counted.

        Raises:
            ShapeError: the layer cannot take inputs of these shapes.
        """
        self.output_shape(*shapes)
        yield from ()

    def axis_windows(self, *_shapes: Any) -> Sequence[Window | TransposedWindow]:
        """Return the window of every axis in `space`; empty where outputs do not read by windows."""
        return ()

    def space(self, *shapes: Any) -> range:
        """Return the axes that hold positions, of the first input; of several inputs of attention, of the keys."""
        return range(len(shapes[0]) - len(self.axis_windows(*shapes)), len(shapes[0]))

    def trace_axes(self, origins: AxisOrigins, *shapes: Any) -> None:
        """Turn the origins of the input's axes into those of the output's.

        Without windows, every output reads all positions along all axes.
        """
        steps, space = self.axis_windows(*shapes), self.space(*shapes)
        if steps:
            origins.step_along(space.stop, steps)
            if self.MIXES_CHANNELS:
                origins.mix(space.start - 1)
            return
        for axis in range(len(origins.axes)):
            origins.mix(axis)
        origins.axes = [()] * len(self.output_shape(*shapes))

    def leaves(self) -> Iterator[Layer]:
        """Yield the layers that are no chains themselves, in order."""
        yield self

    def leaves_with_inputs(self, *shapes: Any) -> Iterator[tuple[Layer, Shapes]]:
        """Yield the same layers, each with the shapes of its inputs."""
        yield self, shapes

    @abstractmethod
    def example_inputs(self) -> Shapes:
        """Return small inputs for which no axis is trivial: several images, windows and left-over positions."""

    @abstractmethod
    def roundings(self) -> Roundings:
        """Return how torch rounds on the way to one output entry, as measured on the CPU."""

    def degree(self) -> int | None:
        """Return the degree of an output as a polynomial in inputs, parameters and statistics; None if it is none.

        Most layers multiply each input with one weight, which is degree 2. A root of a variance counts as a variable.
        """
        return 2

    def given(self, *_shapes: Any) -> Layer:
        """Return the layer with what its print leaves out and inputs of these shapes tell."""
        return self

    def assumption(self) -> str:
        """Return what is taken for granted of a layer whose print does not say it; empty where that is nothing."""
        return ""

    def boolean_inputs(self) -> frozenset[int]:
        """Return which inputs, counted from 0, are masks of True and False."""
        return frozenset()

    def mask_inputs(self) -> frozenset[int]:
        """Return which inputs, counted from 0, are masks `[..., l, s]`; where one is False or -inf, it hides a key."""
        return self.boolean_inputs()

    def im2col_size(self, *_shapes: Any, **_: Any) -> int:
        """Return how many values torch writes out beside input and output at most, as im2col does."""
        return 0

    def axis_sizes(self) -> dict[str, int]:
        """Return the lengths, by axis name, that a pattern needs besides the weight's shape."""
        return {}

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        """Return a name for every axis of an input or output: `b`, `channels`, and `l`, `h w` or `t h w`.

        Axes that no convention names are counted: `axis 0`. Empty where they are those of the layers around it.
        """
        space = SPACE_AXES.get(self.dims, ())
        return counted(rank, (channels, *space) if space and rank > len(space) else ())

    def axis_map(self, rank: int) -> AxisMap | None:
        """Return how the lengths of an input of `rank` axes become those of the output; None if it takes none such.

        Raises:
            UnknownMapError: the number of axes does not determine it.
        """
        raise UnknownMapError(
            f"{self.kind} cannot be asked backwards; leave it out, and ask about what is before and after it"
        )

    def outputs_of(self, window: Window, length: int) -> int:
        """Return how many outputs the layer would have along an axis of `length` with this window."""
        return window.outputs(length)

    def most_padding(self, _window: Window, _length: int) -> int | None:
        """Return the largest legal padding along an axis of this length, -1 if none is; None if there is no end."""
        return None

    def padding_fill(self) -> str | None:
        """Return what windows read beyond the input: a padding mode of torch, or -inf; None for other kinds."""
        return None

    def output_axes(self, *shapes: Any) -> tuple[str, ...]:
        """Return a name for every axis of the output for inputs of these shapes; see `axes`."""
        rank = len(self.output_shape(*shapes))
        return self.axes(rank, "o") or counted(rank, ())

    def parameter_axes(self, name: str) -> tuple[Group, ...]:
        """Return the axes of a parameter by name, such as `("g", "o"), ("i",), ("kh",), ("kw",)`.

        Axes that no convention names are counted: `a0`.
        """
        rank = len(self.parameters()[name])
        return (("o",),) if rank == 1 else tuple((f"a{number}",) for number in range(rank))

    def held_tensors(self) -> Mapping[str, Any] | None:
        """Return the tensors that code of the user's own holds, by name; None for a layer as text, which holds none."""
        return None

    def initial_values(self) -> Mapping[str, Init]:
        """Return how torch fills parameters when the layer is made, by name; those not known are left out."""
        return {}

    def axis_periods(self) -> Mapping[str, int]:
        """Return, by axis, after how many outputs the pattern of inputs that they read repeats."""
        return {}

    def untested(self, *_shapes: Any) -> Iterator[str]:
        """Yield the faults of a rewrite that no input of these shapes reveals, such as a wrong order of one channel."""
        yield from ()

    def parameter_count(self) -> int:
        """Return the number of trainable values."""
        return sum(math.prod(shape) for shape in self.parameters().values())


def untested_patch(channels: int, positions: int) -> Iterator[str]:
    """Yield the faults in a patch's layout that so many channels and positions do not reveal."""
    # With one channel the kernel's axes may still be in a wrong order, but channels cannot be on the wrong side.
    if channels == 1 and positions > 1:
        yield "one channel, so a patch with channels first and one with channels last are the same"
    if positions == 1:
        yield "patch 1, so there is no patch order to get wrong"


def batch_of(shape: Shape, inner: int) -> int:
    """Return the product of all axes before the last `inner`: 1 for an unbatched input."""
    return math.prod(shape[: len(shape) - inner])
