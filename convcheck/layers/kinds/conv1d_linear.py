"""The Linear of GPT-2 in transformers, called Conv1D, whose weight is the other way round."""

from __future__ import annotations

from dataclasses import dataclass

from convcheck.errors import ShapeError
from convcheck.layers.base import batch_of
from convcheck.layers.counted import Counted
from convcheck.layers.initialisation import ZEROS, Init
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import Shape, Shapes


@dataclass(frozen=True)
class Conv1D(Counted):
    """`y[..., o] = b[o] + sum over i of x[..., i] * W[i, o]`: from `nx` features to `nf`."""

    nf: int
    nx: int

    DIMS = 0
    SIGNATURE = (Argument("nf", read.whole(1)), Argument("nx", read.whole(1)))
    PRINTED = ("nf", "nx")

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (self.nx, self.nf), "bias": (self.nf,)}

    def initial_values(self) -> dict[str, Init]:
        return {"weight": Init("normal", std=0.02), "bias": ZEROS}

    def output_shape(self, shape: Shape) -> Shape:
        if not shape or shape[-1] != self.nx:
            raise ShapeError(f"Conv1D takes [..., {self.nx}]; not {list(shape)}")
        return (*shape[:-1], self.nf)

    def macs(self, shape: Shape) -> int:
        """Return one for every weight and row of the input."""
        self.output_shape(shape)
        return batch_of(shape, 1) * self.nx * self.nf

    def example_inputs(self) -> Shapes:
        return ((2, 3, self.nx),)
