"""The linear layer as numbers: torch.nn.Linear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, counted, numbered
from convcheck.layers.base import Layer, Roundings, batch_of
from convcheck.layers.initialisation import Init, uniform_by_fan_in
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import label
from convcheck.sizes.patterns import Group, Shape, Shapes

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


@dataclass(frozen=True)
class Linear(Layer):
    """`y[..., o] = b[o] + sum over i of W[o, i] * x[..., i]`."""

    in_features: int
    out_features: int
    bias: bool

    SIGNATURE = (
        Argument("in_features", read.whole(1)),
        Argument("out_features", read.whole(1)),
        Argument("bias", read.flag, True),
    )

    def parameters(self) -> dict[str, Shape]:
        bias = {"bias": (self.out_features,)} if self.bias else {}
        return {"weight": (self.out_features, self.in_features), **bias}

    def initial_values(self) -> Mapping[str, Init]:
        return uniform_by_fan_in(self.parameters())

    def parameter_axes(self, name: str) -> tuple[Group, ...]:
        return (("o",), ("i",)) if name == "weight" else super().parameter_axes(name)

    def axis_map(self, rank: int) -> AxisMap | None:
        known = {"in_features": self.in_features, "features": self.out_features}
        lead = numbered(rank - 1)
        return AxisMap((*lead, ("in_features",)), (*lead, ("features",)), known) if rank else None

    def axes(self, rank: int, channels: str) -> tuple[str, ...]:
        return counted(rank, (channels,))

    def output_shape(self, shape: Shape) -> Shape:
        if not shape or shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear takes [..., {self.in_features}]; the last axis of {list(shape)} is "
                f"{shape[-1] if shape else 'missing'}"
            )
        return (*shape[:-1], self.out_features)

    def explain(self, shape: Shape) -> Iterator[str]:
        self.output_shape(shape)
        yield f"o: out_features = {self.out_features}"

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        origins.mix(len(shape) - 1)

    def macs(self, shape: Shape) -> int:
        self.output_shape(shape)
        return batch_of(shape, 1) * self.in_features * self.out_features

    def example_inputs(self) -> Shapes:
        return ((2, 3, self.in_features),)

    def roundings(self) -> Roundings:
        # Where the input is not contiguous, torch rounds the product to the dtype and adds the bias to that.
        return Roundings(bias_apart=self.bias)

    def __str__(self) -> str:
        return f"Linear(in_features={self.in_features}, out_features={self.out_features}, bias={self.bias})"

    def label(self) -> str:
        return label([self.kind, self.in_features, self.out_features, ("", "" if self.bias else "nobias", "")])
