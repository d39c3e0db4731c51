"""Recurrent layers: torch.nn.RNN, LSTM and GRU, and one step of each, RNNCell, LSTMCell and GRUCell.

The output is that of every position; the last states, which torch returns beside it, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from convcheck.errors import ShapeError
from convcheck.layers.base import batch_of
from convcheck.layers.counted import Counted
from convcheck.layers.initialisation import Init
from convcheck.layers.kinds.elementwise import probability
from convcheck.layers.text import arguments as read
from convcheck.layers.text.arguments import Argument
from convcheck.sizes.patterns import Shape, Shapes

_GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class _Recurrent(Counted):
    """`W x + U h + b` for every gate, one position after the other."""

    input_size: int
    hidden_size: int
    bias: bool

    DIMS = 0
    LEADING = ("input_size", "hidden_size")

    @property
    def gates(self) -> int:
        """How many of them a step computes."""
        return _GATES[self.kind.removesuffix("Cell")]

    def initial_values(self) -> Mapping[str, Init]:
        return dict.fromkeys(self.parameters(), Init("uniform", bound=1 / math.sqrt(self.hidden_size)))

    def _rows(self) -> int:
        return self.gates * self.hidden_size

    def macs(self, shape: Shape) -> int:
        """Return one for every weight and position; the gates' own products are not counted, nor are biases."""
        self.output_shape(shape)
        weights = sum(math.prod(size) for name, size in self.parameters().items() if not name.startswith("bias"))
        return batch_of(shape, 1) * weights


_SIZES = (Argument("input_size", read.whole(1)), Argument("hidden_size", read.whole(1)))
_NONLINEARITY = Argument("nonlinearity", read.one_of("tanh", "relu"), "tanh")
_REST = (
    Argument("bias", read.flag, True),
    Argument("batch_first", read.flag, False),
    Argument("dropout", probability, 0.0),
    Argument("bidirectional", read.strict_flag, False),
)


@dataclass(frozen=True)
class Recurrent(_Recurrent):
    """Layers one above the other; torch.nn.GRU. All positions of a sequence, forwards, or in both directions."""

    num_layers: int
    batch_first: bool
    dropout: float
    bidirectional: bool

    SEVERAL_OUTPUTS = True
    SIGNATURE: ClassVar[tuple[Argument, ...]] = (*_SIZES, Argument("num_layers", read.whole(1), 1), *_REST)

    @property
    def state(self) -> int:
        """The features that one direction hands on."""
        return self.hidden_size

    def parameters(self) -> dict[str, Shape]:
        return dict(self._parameters())

    def _parameters(self) -> Iterator[tuple[str, Shape]]:
        ways = ("", "_reverse") if self.bidirectional else ("",)
        for number in range(self.num_layers):
            taken = self.input_size if number == 0 else self.state * len(ways)
            for way in ways:
                yield f"weight_ih_l{number}{way}", (self._rows(), taken)
                yield f"weight_hh_l{number}{way}", (self._rows(), self.state)
                if self.bias:
                    yield f"bias_ih_l{number}{way}", (self._rows(),)
                    yield f"bias_hh_l{number}{way}", (self._rows(),)
                if self.state != self.hidden_size:
                    yield f"weight_hr_l{number}{way}", (self.state, self.hidden_size)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (2, 3) or shape[-1] != self.input_size:
            axes = "batch, length" if self.batch_first else "length, batch"
            raise ShapeError(
                f"{self.kind} takes [{axes}, {self.input_size}] or [length, {self.input_size}]; not {list(shape)}"
            )
        return (*shape[:-1], self.state * (2 if self.bidirectional else 1))

    def example_inputs(self) -> Shapes:
        return ((2, 3, self.input_size),)


@dataclass(frozen=True)
class RNN(Recurrent):
    """The plain one."""

    nonlinearity: str

    SIGNATURE = (*_SIZES, Argument("num_layers", read.whole(1), 1), _NONLINEARITY, *_REST)


@dataclass(frozen=True)
class LSTM(Recurrent):
    """With a cell beside the state, which may be projected to fewer features."""

    proj_size: int

    SIGNATURE = (*Recurrent.SIGNATURE, Argument("proj_size", read.whole(0), 0))

    @property
    def state(self) -> int:
        return self.proj_size or self.hidden_size

    def inconsistencies(self) -> Iterator[tuple[str, str]]:
        if self.proj_size >= self.hidden_size:
            yield (
                "proj_size",
                f"proj_size is {self.proj_size}; it must be below hidden_size, which is {self.hidden_size}",
            )


@dataclass(frozen=True)
class Cell(_Recurrent):
    """One step: `[batch, input_size]`, or without a batch, to the next state. torch.nn.GRUCell."""

    SIGNATURE: ClassVar[tuple[Argument, ...]] = (*_SIZES, Argument("bias", read.flag, True))

    def parameters(self) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {
            "weight_ih": (self._rows(), self.input_size),
            "weight_hh": (self._rows(), self.hidden_size),
        }
        return shapes | (dict.fromkeys(("bias_ih", "bias_hh"), (self._rows(),)) if self.bias else {})

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            raise ShapeError(f"{self.kind} takes [batch, {self.input_size}] or [{self.input_size}]; not {list(shape)}")
        return (*shape[:-1], self.hidden_size)

    def example_inputs(self) -> Shapes:
        return ((2, self.input_size),)


@dataclass(frozen=True)
class RNNCell(Cell):
    """The plain one."""

    nonlinearity: str

    SIGNATURE = (*Cell.SIGNATURE, _NONLINEARITY)


@dataclass(frozen=True)
class LSTMCell(Cell):
    """With a cell beside the state."""

    SEVERAL_OUTPUTS = True
