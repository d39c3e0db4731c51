"""Two inputs and one weight for every pair of their features: torch.nn.Bilinear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.layers.base import batch_of
from convcheck.layers.counted import Counted
from convcheck.layers.initialisation import Init
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import Shape, Shapes


@dataclass(frozen=True)
class Bilinear(Counted):
    """`y[..., o] = b[o] + sum over i, j of x1[..., i] * W[o, i, j] * x2[..., j]`."""

    in1_features: int
    in2_features: int
    out_features: int
    bias: bool

    DIMS = 0
    INPUT_COUNTS = (2,)
    SIGNATURE = (
        Argument("in1_features", read.whole(1)),
        Argument("in2_features", read.whole(1)),
        Argument("out_features", read.whole(1)),
        Argument("bias", read.flag, True),
    )
    PRINTED = ("in1_features", "in2_features", "out_features", "bias")

    def parameters(self) -> dict[str, Shape]:
        bias = {"bias": (self.out_features,)} if self.bias else {}
        return {"weight": (self.out_features, self.in1_features, self.in2_features), **bias}

    def initial_values(self) -> Mapping[str, Init]:
        return dict.fromkeys(self.parameters(), Init("uniform", bound=self.in1_features**-0.5))

    def output_shape(self, first: Shape, second: Shape) -> Shape:
        for shape, features in ((first, self.in1_features), (second, self.in2_features)):
            if not shape or shape[-1] != features:
                raise ShapeError(
                    f"Bilinear takes [..., {self.in1_features}] and [..., {self.in2_features}]; not {list(shape)}"
                )
        if first[:-1] != second[:-1]:
            raise ShapeError(
                f"Bilinear takes inputs alike but for the last axis; {list(first)} and {list(second)} are not"
            )
        return (*first[:-1], self.out_features)

    def macs(self, first: Shape, second: Shape) -> int:
        """Return one for every weight and entry of the output; torch's FlopCounterMode knows no such kernel."""
        self.output_shape(first, second)
        return batch_of(first, 1) * self.in1_features * self.in2_features * self.out_features

    def example_inputs(self) -> Shapes:
        return (2, 3, self.in1_features), (2, 3, self.in2_features)
