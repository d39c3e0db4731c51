"""Rows of a table, looked up: torch.nn.Embedding and EmbeddingBag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import NotPrintedError, ShapeError
from convcheck.layers.counted import Counted
from convcheck.layers.initialisation import Init
from convcheck.layers.shape_checks import say_rank
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import Shape, Shapes

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins

_TABLE = (Argument("num_embeddings", read.whole(1)), Argument("embedding_dim", read.whole(1)))
_BOUNDS = (
    Argument("max_norm", read.optional(read.number()), None),
    Argument("norm_type", read.number(), 2.0),
    Argument("scale_grad_by_freq", read.flag, False),
)
_INDEX = read.optional(read.whole(-(2**31)))


@dataclass(frozen=True)
class Embedding(Counted):
    """`y[..., d] = W[x[...], d]`, where inputs are whole numbers below `num_embeddings`. Nothing is multiplied."""

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool

    DIMS = 0
    SIGNATURE = (*_TABLE, Argument("padding_idx", _INDEX, None), *_BOUNDS, Argument("sparse", read.flag, False))
    LEADING = ("num_embeddings", "embedding_dim")

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def initial_values(self) -> dict[str, Init]:
        # A row at `padding_idx` is 0.
        return {"weight": Init("normal", std=1.0)} if self.padding_idx is None else {}

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape, self.embedding_dim)

    def trace_axes(self, origins: AxisOrigins, shape: Shape) -> None:
        origins.axes.append(())

    def example_inputs(self) -> Shapes:
        return ((2, 3),)


@dataclass(frozen=True)
class PositionalEmbedding(Embedding):
    """transformers' tables of positions, each of which makes its rows' numbers of its input in its own way."""

    def output_shape(self, shape: Shape) -> Shape:
        raise NotPrintedError(
            f"{self.kind} looks up positions, as many as its class makes of the input; leave it out, or write "
            f"Embedding({self.num_embeddings}, {self.embedding_dim}) where the input holds them"
        )


@dataclass(frozen=True)
class EmbeddingBag(Counted):
    """The sum, mean or maximum of the rows that stand in one row of the input, `[bags, rows]`."""

    num_embeddings: int
    embedding_dim: int
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    mode: str
    sparse: bool
    include_last_offset: bool
    padding_idx: int | None

    DIMS = 0
    SIGNATURE = (
        *_TABLE,
        *_BOUNDS,
        Argument("mode", read.one_of("sum", "mean", "max"), "mean"),
        Argument("sparse", read.flag, False),
        Argument("include_last_offset", read.flag, False),
        Argument("padding_idx", _INDEX, None),
    )
    LEADING = ("num_embeddings", "embedding_dim")
    PRINTED = ("mode",)

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (self.num_embeddings, self.embedding_dim)}

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise ShapeError(f"{self.kind} takes [bags, rows], or with offsets [rows]; {say_rank(shape)}")
        return (shape[0], self.embedding_dim)

    def example_inputs(self) -> Shapes:
        return ((2, 3),)
