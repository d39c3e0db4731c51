"""Layers one after the other: torch.nn.Sequential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from convcheck.errors import ShapeError, cut
from convcheck.layers.base import Layer, Roundings, Statistic
from convcheck.layers.initialisation import Init
from convcheck.sizes.patterns import Group, Shape, Shapes

_WIDEST = 64
"""Positions by which a made-up input is lengthened before it is given up to find one that fits."""


@dataclass(frozen=True)
class Sequential(Layer):
    """`y = f_n(... f_2(f_1(x)))`. Parameters are named as torch does without names: `0.weight`, `1.bias`."""

    layers: tuple[Layer, ...]

    SIGNATURE = ()
    IS_CONTAINER = True

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if not self.layers:
            yield "layers", "a Sequential needs at least one layer"
        for number, layer in enumerate(self.layers):
            if getattr(layer, "return_indices", False):
                yield (
                    "layers",
                    f"layer {number} is {layer}, which makes two outputs; the next layer takes one, so return_indices "
                    "must be False",
                )
            if layer.SEVERAL_OUTPUTS and number + 1 < len(self.layers):
                yield "layers", f"layer {number} is {layer}, which makes several outputs; the next layer takes one"
            if 1 not in layer.INPUT_COUNTS:
                yield (
                    "layers",
                    f"layer {number} is {layer}, which takes {layer.INPUT_COUNTS[0]} inputs; in a chain there is one",
                )

    def explain(self, shape: Shape) -> Iterator[str]:
        for number, (layer, taken) in enumerate(zip(self.layers, self.through(shape), strict=False)):
            yield from (f"{number}.{line}" for line in layer.explain(taken))

    def parameters(self) -> dict[str, Shape]:
        return {
            f"{number}.{name}": shape
            for number, layer in enumerate(self.layers)
            for name, shape in layer.parameters().items()
        }

    def initial_values(self) -> Mapping[str, Init]:
        return {
            f"{number}.{name}": init
            for number, layer in enumerate(self.layers)
            for name, init in layer.initial_values().items()
        }

    def parameter_axes(self, name: str) -> tuple[Group, ...]:
        number, _, inner = name.partition(".")
        # How many groups there are is told by `axis_sizes`, which is about a layer by itself.
        return tuple(group[-1:] for group in self.layers[int(number)].parameter_axes(inner))

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        named = self.layers if channels == "i" else reversed(self.layers)
        return next((names for layer in named if (names := layer.axes(rank, channels))), ())

    def untested(self, shape: Shape) -> Iterator[str]:
        # Convolutions in a chain are merged, not laid out; what has no weights is.
        for number, (layer, taken) in enumerate(zip(self.layers, self.through(shape), strict=False)):
            if layer.IS_CONTAINER or not layer.parameters():
                yield from (f"{number} ({layer.kind}): {text}" for text in layer.untested(taken))

    def statistics(self) -> dict[str, Statistic]:
        return {
            f"{number}.{name}": statistic
            for number, layer in enumerate(self.layers)
            for name, statistic in layer.statistics().items()
        }

    def leaves(self) -> Iterator[Layer]:
        for layer in self.layers:
            yield from layer.leaves()

    def leaves_with_inputs(self, shape: Shape) -> Iterator[tuple[Layer, Shapes]]:
        for layer, taken in zip(self.layers, self.through(shape), strict=False):
            yield from layer.leaves_with_inputs(taken)

    def through(self, shape: Shape) -> Shapes:
        """Return the input of every layer, and the last one's output.

        Raises:
            ShapeError: a layer cannot take what it gets; the message says which.
        """
        shapes = [shape]
        for number, layer in enumerate(self.layers):
            try:
                shapes.append(layer.output_shape(shapes[-1]))
            except ShapeError as error:
                raise ShapeError(f"layer {number}, {cut(str(layer), 120)}, gets {list(shapes[-1])}: {error}") from None
        return tuple(shapes)

    def output_shape(self, shape: Shape) -> Shape:
        return self.through(shape)[-1]

    def macs(self, shape: Shape) -> int:
        return sum(layer.macs(taken) for layer, taken in zip(self.layers, self.through(shape)[:-1], strict=True))

    def example_inputs(self) -> Shapes:
        first = _leaf(self)
        shape = first.example_inputs()[0]
        for more in range(_WIDEST):
            lead = len(shape) - first.dims
            longer = (*shape[:lead], *(length + more for length in shape[lead:]))
            try:
                self.output_shape(longer)
            except ShapeError:
                continue
            return (longer,)
        return (shape,)

    def roundings(self) -> Roundings:
        rounding = [layer.roundings() for layer in self.layers if layer.roundings().sums]
        if len(rounding) == 1:
            return rounding[0]
        return Roundings(sum(one.sums + int(one.bias_apart) for one in rounding))

    def degree(self) -> int | None:
        total = 1
        for layer in self.layers:
            degree = layer.degree()
            if degree is None:
                return None
            # Each layer is linear in its input, and multiplies it with so many factors of its own.
            total += degree - 1
        return total

    def im2col_size(self, shape: Shape) -> int:
        return max(layer.im2col_size(taken) for layer, taken in zip(self.layers, self.through(shape)[:-1], strict=True))

    def __str__(self) -> str:
        # torch breaks this into lines; on one line it can stand in a table and on a command line.
        return f"Sequential({', '.join(map(str, self.layers))})"

    def label(self) -> str:
        return "+".join(layer.label() for layer in self.layers)


def _leaf(layer: Layer) -> Layer:
    """Return the first layer of a chain that is no chain itself; one that takes any shape only where all do."""
    leaves = list(layer.leaves())
    return next((leaf for leaf in leaves if not leaf.ANY_SHAPE), leaves[0])
