"""Attention of several heads as numbers: torch.nn.MultiheadAttention."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap, UnknownMapError, numbered
from convcheck.layers.base import Layer, Roundings
from convcheck.layers.initialisation import ZEROS, Init, fans, uniform_by_fan_in
from convcheck.layers.kinds.attention import SCORES_AT_ONCE, unusual
from convcheck.layers.kinds.elementwise import probability
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.layers.text.notation import compact, divisors, label
from convcheck.sizes.patterns import Group, Shape, Shapes

if TYPE_CHECKING:
    from convcheck.sizes.axis_origins import AxisOrigins


def _features(value: object, dims: int) -> object:
    """Read a number of features; None stands for as many as embed_dim."""
    return None if value is None else read.whole(1)(value, dims)


@dataclass(frozen=True)
class MultiheadAttention(Layer):
    """`out_proj(concat over heads h of attention(W_q[h] query, W_k[h] key, W_v[h] value))`.

    It takes one input, which is query, key and value at once, or these three, or with them a fourth: a mask of numbers
    that are added to the scores, `[L, S]` or `[N * num_heads, L, S]`. All are `[L, N, E]`, with `batch_first`
    `[N, L, E]`, or unbatched `[L, E]`. Its output is the attention's alone, without the weights. Nothing is dropped, as
    in evaluation, whatever `dropout` is.
    """

    embed_dim: int
    num_heads: int
    dropout: float
    bias: bool
    add_bias_kv: bool
    add_zero_attn: bool
    kdim: int | None
    vdim: int | None
    batch_first: bool

    SIGNATURE = (
        Argument("embed_dim", read.whole(1)),
        Argument("num_heads", read.whole(1)),
        Argument("dropout", probability, 0.0),
        Argument("bias", read.flag, True),
        Argument("add_bias_kv", read.flag, False),
        Argument("add_zero_attn", read.flag, False),
        Argument("kdim", _features, None),
        Argument("vdim", _features, None),
        Argument("batch_first", read.flag, False),
    )
    INPUT_COUNTS = (1, 3, 4)

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.embed_dim % self.num_heads:
            yield (
                "num_heads",
                f"num_heads is {self.num_heads} and must divide embed_dim, which is {self.embed_dim}; "
                f"what divides it is {divisors(self.embed_dim)}",
            )

    @property
    def key_features(self) -> int:
        """The features of the key, before its projection."""
        return self.kdim or self.embed_dim

    @property
    def value_features(self) -> int:
        """The features of the value, before its projection."""
        return self.vdim or self.embed_dim

    @property
    def packed(self) -> bool:
        """Whether torch keeps the three projections in one weight."""
        return self.key_features == self.value_features == self.embed_dim

    @property
    def added(self) -> int:
        """How many positions are added behind those of key and value."""
        return self.add_bias_kv + self.add_zero_attn

    def parameters(self) -> dict[str, Shape]:
        width = self.embed_dim
        shapes: dict[str, Shape] = {"in_proj_weight": (3 * width, width)}
        if not self.packed:
            shapes = {
                "q_proj_weight": (width, width),
                "k_proj_weight": (width, self.key_features),
                "v_proj_weight": (width, self.value_features),
            }
        if self.bias:
            shapes |= {"in_proj_bias": (3 * width,), "out_proj.bias": (width,)}
        if self.add_bias_kv:
            shapes |= {"bias_k": (1, 1, width), "bias_v": (1, 1, width)}
        return {**shapes, "out_proj.weight": (width, width)}

    def initial_values(self) -> Mapping[str, Init]:
        return {name: _initial(name, shape) for name, shape in self.parameters().items()}

    def parameter_axes(self, name: str) -> tuple[Group, ...]:
        return (("o",), ("i",)) if name.endswith("weight") else super().parameter_axes(name)

    def axis_map(self, rank: int) -> AxisMap | None:
        if not self.packed:
            raise UnknownMapError(f"{self} takes 3 inputs, which an output's shape does not tell")
        axes = (*numbered(rank - 1), ("features",))
        return AxisMap(axes, axes, {"features": self.embed_dim}) if rank in (2, 3) else None

    def untested(self, *shapes: Shape) -> Iterator[str]:
        if 1 in (self.num_heads, self.embed_dim // self.num_heads):
            yield "one head, or heads of one feature, so heads and features cannot be mixed up"

    def degree(self) -> int | None:
        return None

    def mask_inputs(self) -> frozenset[int]:
        return frozenset({3})

    def roles(self, *inputs: Shape) -> tuple[Shape, Shape, Shape]:
        """Return the shapes of query, key and value: the three that are given, or the one three times."""
        query, key, value = inputs[:3] if len(inputs) > 1 else inputs * 3
        return query, key, value

    def output_shape(self, *shapes: Shape) -> Shape:
        query, key, value = self.roles(*shapes)
        features = (self.embed_dim, self.key_features, self.value_features)
        for name, shape, wanted in zip(("query", "key", "value"), (query, key, value), features, strict=True):
            if len(shape) not in (2, 3) or len(shape) != len(query):
                axes = f"[N, L, {wanted}]" if self.batch_first else f"[L, N, {wanted}]"
                raise ShapeError(f"{name} needs to be {axes} or, all three, [L, {wanted}], and is {list(shape)}")
            if shape[-1] != wanted:
                raise ShapeError(f"{name} needs {wanted} features, on the last axis of {list(shape)}")
        if key[:-1] != value[:-1]:
            raise ShapeError(f"key {list(key)} and value {list(value)} need to be the same, but for the last axis")
        (batch, length), (others, positions) = self._sizes(query), self._sizes(key)
        if batch != others:
            raise ShapeError(f"query {list(query)} is a batch of {batch}, and key {list(key)} is one of {others}")
        for mask in shapes[3:]:
            alike = (length, positions), (batch * self.num_heads, length, positions)
            if mask not in alike:
                raise ShapeError(f"the mask {list(mask)} needs to be {list(alike[0])} or {list(alike[1])}")
        return query

    def space(self, query: Shape, *_: Shape) -> range:
        sequence = self._sequence(query)
        return range(sequence, sequence + 1)

    def trace_axes(self, origins: AxisOrigins, *shapes: Shape) -> None:
        if len(shapes) > 1:
            super().trace_axes(origins, *shapes)
            return
        origins.mix(self._sequence(shapes[0]))
        origins.mix(len(shapes[0]) - 1)

    def _sequence(self, shape: Shape) -> int:
        return int(self.batch_first and len(shape) == 3)

    def _sizes(self, shape: Shape) -> tuple[int, int]:
        """Return (batch, positions)."""
        if len(shape) == 2:
            return 1, shape[0]
        return (shape[0], shape[1]) if self.batch_first else (shape[1], shape[0])

    def macs(self, *shapes: Shape) -> int:
        """Return those of the four projections and of both products, of which a mask leaves out none."""
        self.output_shape(*shapes)
        query, key, _ = self.roles(*shapes)
        (batch, length), (_, positions) = self._sizes(query), self._sizes(key)
        width = self.embed_dim
        projected = 2 * length * width + positions * (self.key_features + self.value_features)
        return batch * width * (projected + 2 * length * (positions + self.added))

    def im2col_size(self, *shapes: Shape) -> int:
        self.output_shape(*shapes)
        query, key, _ = self.roles(*shapes)
        (batch, length), (_, positions) = self._sizes(query), self._sizes(key)
        projections = batch * self.embed_dim * (length + 2 * positions)
        return projections + SCORES_AT_ONCE * batch * self.num_heads * length * (positions + self.added)

    def example_inputs(self) -> Shapes:
        def tokens(length: int, features: int) -> Shape:
            return (2, length, features) if self.batch_first else (length, 2, features)

        if self.packed:
            return (tokens(5, self.embed_dim),)
        return tokens(5, self.embed_dim), tokens(7, self.key_features), tokens(7, self.value_features)

    def roundings(self) -> Roundings:
        return Roundings()

    def __str__(self) -> str:
        return compact(self.kind, [], unusual(self))

    def label(self) -> str:
        flags = {"nobias": not self.bias, "biaskv": self.add_bias_kv, "zero": self.add_zero_attn}
        return label(
            [self.kind, self.embed_dim, ("h", self.num_heads, None), ("k", self.kdim, None), ("v", self.vdim, None)]
            + [("", name if set_ else "", "") for name, set_ in {**flags, "batchfirst": self.batch_first}.items()]
        )


def _initial(name: str, shape: Shape) -> Init:
    if name == "out_proj.weight":
        return uniform_by_fan_in({name: shape})[name]
    if name in ("in_proj_bias", "out_proj.bias"):
        return ZEROS
    both = sum(fans(shape) or (1, 1))
    if name in ("bias_k", "bias_v"):
        return Init("normal", std=math.sqrt(2 / both))
    return Init("uniform", bound=math.sqrt(6 / both))
