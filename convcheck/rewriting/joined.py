"""A parameter of the candidate that several of the reference are joined to, or that holds one constant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from convcheck.rewriting.parameter_move import ParameterMove, Parameters, Region
from convcheck.rewriting.steps import NoWayBackError
from convcheck.rewriting.transplant import Move
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor


def fraction_bits(number: float) -> int:
    """Return how many bits of a number stand behind the point."""
    return number.as_integer_ratio()[1].bit_length() - 1


@dataclass(frozen=True)
class Fill(ParameterMove):
    """A parameter that the reference has not, and that is a constant everywhere. Its dtype is that of the others."""

    target: str
    shape: Shape
    constant: float

    @property
    def sources(self) -> tuple[str, ...]:
        return ()

    @property
    def bits(self) -> int:
        return fraction_bits(self.constant)

    def positive(self) -> Fill:
        return replace(self, constant=abs(self.constant))

    def result(self) -> Shape:
        return self.shape

    def forward(self, parameters: Parameters) -> Tensor:
        import torch

        like = next((tensor for tensor in parameters.values() if tensor.is_floating_point()), torch.zeros(()))
        return torch.full(self.shape, self.constant, dtype=like.dtype, device=like.device)

    def origins(self, tensor: Tensor) -> dict[str, Tensor]:
        wrong = (tensor != self.constant).nonzero()
        if len(wrong):
            index = tuple(wrong[0].tolist())
            raise NoWayBackError(
                f"{self.target}{list(index)} is {tensor[index].item()!r}; by '{self}' it is {self.constant!r}"
            )
        return {}

    def __str__(self) -> str:
        return f"{self.constant:g}"


@dataclass(frozen=True)
class Joined(ParameterMove):
    """Parts one behind the other along their first axis, and steps that move the whole."""

    target: str
    parts: tuple[ParameterMove, ...]
    whole: Move
    """Moves what the parts are joined to."""

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(source for part in self.parts for source in part.sources))

    @property
    def merges(self) -> bool:
        return any(part.merges for part in self.parts)

    @property
    def rounds(self) -> bool:
        return any(part.rounds for part in self.parts)

    @property
    def degree(self) -> int:
        return max(part.degree for part in self.parts)

    @property
    def bits(self) -> int:
        return max(part.bits or 0 for part in self.parts)

    def positive(self) -> Joined:
        return replace(self, parts=tuple(part.positive() for part in self.parts), whole=self.whole.positive())

    def regions(self) -> Sequence[tuple[str, Region]] | None:
        if self.whole.regions() is None or math.prod(self.whole.shape) != math.prod(self.result()):
            return None
        moved = [part.regions() for part in self.parts]
        return None if None in moved else [entry for regions in moved for entry in regions or ()]

    def result(self) -> Shape:
        return self.whole.result()

    def forward(self, parameters: Parameters) -> Tensor:
        import torch

        joined = torch.cat([part.forward(parameters) for part in self.parts])
        return self.whole.forward({self.whole.source: joined})

    def origins(self, tensor: Tensor) -> dict[str, Tensor]:
        import torch

        joined = self.whole.backward(tensor)
        originals: dict[str, Tensor] = {}
        for part, values in zip(
            self.parts, torch.split(joined, [part.result()[0] for part in self.parts]), strict=True
        ):
            for source, original in part.origins(values).items():
                originals[source] = originals[source] + original if source in originals else original
        return originals

    def __str__(self) -> str:
        joined = "; ".join(map(write_source, self.parts))
        return f"[{joined}]" + (f": {self.whole}" if self.whole.steps else "")


def write_source(move: ParameterMove) -> str:
    """Write a move as the source in a map."""
    if not isinstance(move, Move):
        return str(move)
    return f"{move.source}: {move}" if move.steps else move.source


def source_shapes(move: ParameterMove) -> dict[str, Shape]:
    """Return the shapes of the tensors that a move takes, as far as it only moves them."""
    if isinstance(move, Move):
        return {move.source: move.shape}
    parts = move.parts if isinstance(move, Joined) else ()
    return {name: shape for part in parts for name, shape in source_shapes(part).items()}
