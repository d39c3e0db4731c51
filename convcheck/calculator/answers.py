"""Answers to the questions of the shape calculator, as frozen values.

Ranges are pairs `(first, last)`, both included, as in `convcheck.calculator.inverse.ranges`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convcheck.sizes.patterns import Shape, Shapes

Ranges = tuple[tuple[int, int], ...]

OpenRanges = tuple[tuple[int, int | None], ...]
"""Ranges of which the last may have no end."""

Pads = Mapping[str, tuple[int, int]]
"""(before, after) for every axis."""


@dataclass(frozen=True)
class Made:
    """A length of the output, and the lengths of an axis of the input that give it; null if no length matters."""

    output: int
    axis: str | None
    input: Ranges | None


@dataclass(frozen=True)
class Nearest:
    """An axis of the output for which no input gives the length asked for, and the nearest that there are."""

    axis: str
    asked: int
    below: Made | None
    above: Made | None


@dataclass(frozen=True)
class Inputs:
    """Every input shape that gives an output: each of `inputs` has the possible lengths of every axis, by name."""

    question: str
    layers: tuple[str, ...]
    output: Shape
    inputs: tuple[Mapping[str, Ranges], ...]
    nearest: tuple[Nearest, ...]
    reasons: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether there is an input."""
        return bool(self.inputs)


@dataclass(frozen=True)
class Change:
    """One layer, changed so that the whole gives another output. Every axis has all values that do.

    `padding` has every padding that does, or for a transposed layer `pairs` every (padding, output_padding) that is
    legal, or for Unpatchify `output_size` what its output_spatial_shape may be. Where none of them is there, `stride`
    has the values that do in its place. `layer` is written with one of them for every axis: the nearest to the present
    one. It is null where an axis has none; then nothing gives the output, and `nearest` says what comes close.
    """

    number: int
    axes: Mapping[str, AxisChange]
    layer: str | None
    output_size: Shape | None = None
    """What forward's `output_size` may be instead, where the layer itself need not be changed."""


@dataclass(frozen=True)
class AxisChange:
    """The arguments that may be changed along one axis; empty where none does."""

    padding: Ranges = ()
    pairs: Shapes = ()
    stride: OpenRanges = ()
    output_size: Ranges = ()
    nearest: tuple[Near, ...] = ()


@dataclass(frozen=True)
class Near:
    """An argument's value, and the length of the output that it gives."""

    argument: str
    value: int
    output: int


@dataclass(frozen=True)
class Suggestion:
    """A layer with other values of the arguments `changed`, in a chain the `number`-th, as source code.

    It is absurd where nobody would want it, though it gives what was asked for; the text says why.
    """

    number: int
    layer: str
    changed: tuple[str, ...]
    absurd: str | None


@dataclass(frozen=True)
class Misfit:
    """An axis of the output that no window makes, such as channels: what it is, what was asked, and what sets it."""

    axis: str
    gives: int
    asked: int
    set_by: str


@dataclass(frozen=True)
class Changes:
    """What a chain makes of an input, and how one layer changed would make what was asked for instead.

    `changes` has all values of single arguments, and `suggestions` the best layers, several arguments changed at once
    where it takes that, fewest first.
    """

    question: str
    layers: tuple[str, ...]
    input: Shape
    output: Shape
    gives: Shape | None
    fault: str | None
    """Why the layers cannot take the input, where they cannot."""
    changes: tuple[Change, ...]
    suggestions: tuple[Suggestion, ...] = ()
    misfits: tuple[Misfit, ...] = ()

    @property
    def found(self) -> bool:
        """Whether the layers as they are give the output."""
        return self.gives == self.output


@dataclass(frozen=True)
class Padded:
    """Explicit padding. `layer` and `pad` are source code; `own` is the layer's own padding where that can say it.

    That is a number for every axis or, where one side gets more, 'same'.
    """

    pads: Pads
    output: Shape | None
    own: Shape | str | None
    layer: str
    pad: str


@dataclass(frozen=True)
class Remainder:
    """TensorFlow's padding along an axis for input lengths with a remainder, by the stride, from `first` to `last`."""

    axis: str
    stride: int
    first: int
    last: int
    pads: tuple[int, int]


@dataclass(frozen=True)
class Same:
    """The padding 'same' of a layer in both conventions; TensorFlow's depends on the input's lengths.

    `shift` says, for every axis where the conventions differ, how many positions later TensorFlow's windows start.
    """

    question: str
    layer: str
    input: Shape | None
    torch: Padded
    tensorflow: Padded | None
    remainders: tuple[Remainder, ...]
    shift: Mapping[str, int]
    notes: tuple[str, ...]
    found: bool = True


@dataclass(frozen=True)
class Sizes:
    """What a transposed layer's output may measure along one axis.

    `by_output_padding` while the layer's output_padding is anything legal, `by_output_size` as forward's argument.
    """

    number: int
    layer: str
    axis: str
    input: int
    output: int
    output_padding: Ranges
    by_output_padding: Ranges
    by_output_size: Ranges


@dataclass(frozen=True)
class AllSizes:
    """The sizes of every transposed layer of a chain."""

    question: str
    sizes: tuple[Sizes, ...]
    found: bool = True


Answer = Inputs | Changes | Same | AllSizes
