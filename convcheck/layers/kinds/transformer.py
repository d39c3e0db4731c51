"""Layers of a transformer: torch.nn.TransformerEncoderLayer, TransformerDecoderLayer, and stacks of them.

Their print has no arguments: neither heads nor the order of axes. Heads change no shape and no count; where the order
is not known, `[batch, length, features]` is taken, and said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from convcheck.errors import ShapeError
from convcheck.layers.axis_map import AxisMap
from convcheck.layers.base import Layer
from convcheck.layers.counted import Counted
from convcheck.layers.initialisation import ONES, ZEROS, Init, uniform_by_fan_in
from convcheck.layers.kinds.elementwise import probability
from convcheck.layers.kinds.multihead import MultiheadAttention
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument, BadValueError
from convcheck.layers.text.notation import compact, label
from convcheck.sizes.patterns import Shape, Shapes

ASSUMED = (
    "prints neither its heads nor batch_first: [batch, length, features] is taken for its input, on which its MACs "
    "depend; write its arguments, where it is another"
)


@dataclass(frozen=True)
class PrintedAttention(Counted):
    """A MultiheadAttention of which only the print is known: its features, and whether it has biases."""

    embed_dim: int
    bias: bool

    DIMS = 0
    INPUT_COUNTS = (1, 3)
    SIGNATURE = (Argument("embed_dim", read.whole(1)), Argument("bias", read.flag))
    PRINTED = ("embed_dim", "bias")

    def assumption(self) -> str:
        return f"{self.kind} {ASSUMED}"

    @property
    def attention(self) -> MultiheadAttention:
        """The same with one head."""
        return _attention(self.embed_dim, 1, bias=self.bias, batch_first=True)

    def parameters(self) -> dict[str, Shape]:
        return self.attention.parameters()

    def initial_values(self) -> Mapping[str, Init]:
        return self.attention.initial_values()

    def output_shape(self, *shapes: Shape) -> Shape:
        return _in_order(self.attention, *shapes).output_shape(*shapes)

    def macs(self, *shapes: Shape) -> int:
        """Return those of the projections and of both products."""
        return _in_order(self.attention, *shapes).macs(*shapes)

    def example_inputs(self) -> Shapes:
        return self.attention.example_inputs()


def _attention(width: int, heads: int, *, bias: bool, batch_first: bool) -> MultiheadAttention:
    return MultiheadAttention(
        "MultiheadAttention", width, heads, 0.0, bias, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None,
        batch_first=batch_first,
    )  # fmt: skip


def _in_order(attention: MultiheadAttention, *shapes: Shape) -> MultiheadAttention:
    """Return attention that has the batch first, or where these inputs do not fit so and would fit so, second."""
    other = replace(attention, batch_first=not attention.batch_first)
    try:
        attention.output_shape(*shapes)
    except ShapeError:
        try:
            other.output_shape(*shapes)
        except ShapeError:
            return attention
        return other
    return attention


@dataclass(frozen=True)
class TransformerEncoderLayer(Counted):
    """Attention of the input on itself, then two Linears, each with a sum and a normalisation around it."""

    d_model: int
    nhead: int | None
    dim_feedforward: int
    dropout: float
    activation: str
    layer_norm_eps: float
    batch_first: bool | None
    norm_first: bool
    bias: bool

    DIMS = 0
    SIGNATURE = (
        Argument("d_model", read.whole(1)),
        Argument("nhead", read.whole(1)),
        Argument("dim_feedforward", read.whole(1), 2048),
        Argument("dropout", probability, 0.1),
        Argument("activation", read.one_of("relu", "gelu"), "relu"),
        Argument("layer_norm_eps", read.number(0), 1e-5),
        Argument("batch_first", read.flag, False),
        Argument("norm_first", read.flag, False),
        Argument("bias", read.flag, True),
    )
    PRINTED = ("d_model", "nhead", "dim_feedforward")

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.nhead and self.d_model % self.nhead:
            yield "nhead", f"nhead is {self.nhead} and must divide d_model, which is {self.d_model}"

    def assumption(self) -> str:
        return f"{self.kind} {ASSUMED}" if self.nhead is None else ""

    def arguments(self) -> dict[str, object]:
        return {name: value for name, value in super().arguments().items() if value is not None}

    @property
    def attention(self) -> MultiheadAttention:
        """Its attention; with one head where that is not known."""
        batch_first = self.batch_first is not False
        return _attention(self.d_model, self.nhead or 1, bias=self.bias, batch_first=batch_first)

    def _parts(self) -> Mapping[str, Mapping[str, Shape]]:
        """Return the parameters of its parts, by their names."""
        wide, narrow = (self.dim_feedforward,), (self.d_model,)
        linears = {"linear1": (*wide, *narrow), "linear2": (*narrow, *wide)}
        norms = {name: self._biased(narrow, narrow) for name in self._norms()}
        linear = {name: self._biased(shape, shape[:1]) for name, shape in linears.items()}
        return {**{name: self.attention.parameters() for name in self._attentions()}, **linear, **norms}

    def _biased(self, weight: Shape, bias: Shape) -> dict[str, Shape]:
        return {"weight": weight, "bias": bias} if self.bias else {"weight": weight}

    def _attentions(self) -> tuple[str, ...]:
        return ("self_attn",)

    def _norms(self) -> tuple[str, ...]:
        return ("norm1", "norm2")

    def parameters(self) -> dict[str, Shape]:
        return {f"{part}.{name}": shape for part, inner in self._parts().items() for name, shape in inner.items()}

    def initial_values(self) -> Mapping[str, Init]:
        attention = self.attention.initial_values()
        inits = {f"{part}.{name}": init for part in self._attentions() for name, init in attention.items()}
        linears = {name: shape for name, shape in self.parameters().items() if name.startswith("linear")}
        norms = {name: ONES if name.endswith("weight") else ZEROS for name in self.parameters() if "norm" in name}
        return inits | uniform_by_fan_in(linears) | norms

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.attention.output_shape(shapes[0])

    def macs(self, *shapes: Shape) -> int:
        """Return those of the attention, and of both Linears at every position."""
        self.output_shape(*shapes)
        return self.attention.macs(shapes[0]) + 2 * math.prod(shapes[0]) * self.dim_feedforward

    def axis_map(self, rank: int) -> AxisMap | None:
        return self.attention.axis_map(rank)

    def example_inputs(self) -> Shapes:
        return self.attention.example_inputs()


@dataclass(frozen=True)
class TransformerDecoderLayer(TransformerEncoderLayer):
    """The same with attention on a second input, the encoder's output, in between."""

    INPUT_COUNTS = (2,)

    def _attentions(self) -> tuple[str, ...]:
        return ("self_attn", "multihead_attn")

    def _norms(self) -> tuple[str, ...]:
        return ("norm1", "norm2", "norm3")

    def output_shape(self, *shapes: Shape) -> Shape:
        target, memory = shapes
        self.attention.output_shape(target)
        return self._across(target, memory).output_shape(target, memory, memory)

    def _across(self, target: Shape, memory: Shape) -> MultiheadAttention:
        attention = self.attention
        return attention if self.batch_first is not None else _in_order(attention, target, memory, memory)

    def macs(self, *shapes: Shape) -> int:
        """Return those of both attentions, and of both Linears at every position."""
        target, memory = shapes
        return super().macs(*shapes) + self._across(target, memory).macs(target, memory, memory)

    def axis_map(self, rank: int) -> AxisMap | None:
        return super(TransformerEncoderLayer, self).axis_map(rank)

    def example_inputs(self) -> Shapes:
        (target,) = self.attention.example_inputs()
        return target, tuple(length + 2 if length == 5 else length for length in target)


def _one(value: object, dims: int) -> object:
    """Read a layer of which there are several."""
    from convcheck.layers.text.parse import parse_layer

    layer = parse_layer(value)
    if not isinstance(layer, TransformerEncoderLayer):
        raise BadValueError("a TransformerEncoderLayer or TransformerDecoderLayer")
    return layer


def _norm(value: object, dims: int) -> object:
    from convcheck.layers.text.parse import parse_layer

    return None if value is None else parse_layer(value)


@dataclass(frozen=True)
class TransformerStack(Counted):
    """Layers alike, one after the other, and a normalisation behind them."""

    layer: TransformerEncoderLayer
    num_layers: int
    norm: Layer | None

    DIMS = 0

    def arguments(self) -> dict[str, object]:
        name = self.SIGNATURE[0].name
        return {name: self.layer, "num_layers": self.num_layers, "norm": self.norm}

    @classmethod
    def completed(cls, arguments: dict[str, object]) -> dict[str, object]:
        first = cls.SIGNATURE[0].name
        return {"layer": arguments[first], "num_layers": arguments["num_layers"], "norm": arguments["norm"]}

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.layer.kind != f"{self.kind}Layer":
            yield self.SIGNATURE[0].name, f"it takes a {self.kind}Layer, and not {self.layer.kind}"

    def assumption(self) -> str:
        return self.layer.assumption()

    def parameters(self) -> dict[str, Shape]:
        norm = {} if self.norm is None else {f"norm.{name}": shape for name, shape in self.norm.parameters().items()}
        inner = self.layer.parameters().items()
        return {f"layers.{n}.{name}": shape for n in range(self.num_layers) for name, shape in inner} | norm

    def output_shape(self, *shapes: Shape) -> Shape:
        output = self.layer.output_shape(*shapes)
        return output if self.norm is None else self.norm.output_shape(output)

    def macs(self, *shapes: Shape) -> int:
        """Return those of all layers."""
        self.output_shape(*shapes)
        return self.num_layers * self.layer.macs(*shapes)

    def example_inputs(self) -> Shapes:
        return self.layer.example_inputs()

    def __str__(self) -> str:
        first = self.SIGNATURE[0].name
        named = {first: (self.layer, None), "num_layers": (self.num_layers, None), "norm": (self.norm, "None")}
        return compact(self.kind, [], {name: pair for name, pair in named.items() if pair[0] is not None})

    def label(self) -> str:
        return label([self.kind, self.num_layers, self.layer.label()])


_STACKED = (Argument("num_layers", read.whole(1)), Argument("norm", _norm, None))


@dataclass(frozen=True)
class TransformerEncoder(TransformerStack):
    """Of TransformerEncoderLayers."""

    SIGNATURE = (Argument("encoder_layer", _one), *_STACKED)


@dataclass(frozen=True)
class TransformerDecoder(TransformerStack):
    """Of TransformerDecoderLayers."""

    INPUT_COUNTS = (2,)
    SIGNATURE = (Argument("decoder_layer", _one), *_STACKED)
