"""How weights move from a reference to a candidate, and back.

A parameter goes through a few steps, each of which knows its way back: most are one einops pattern. Going back checks
what was added on the way, such as copies that must agree and zeros that must still be zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from convcheck.errors import PatternError
from convcheck.rewriting.parameter_move import WHOLE, ParameterMove, Parameters, Region, tile
from convcheck.rewriting.steps import NoWayBackError, Part, Scale, Step, steps_of
from convcheck.sizes.patterns import Shape
from convcheck.sizes.relayouts import Relayout

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Move(ParameterMove):
    """The steps from a parameter of the reference, of a given shape, to a parameter of the candidate."""

    source: str
    target: str
    shape: Shape
    steps: tuple[Step, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)

    @property
    def rounds(self) -> bool:
        return any(isinstance(step, Scale) for step in self.steps)

    @property
    def bits(self) -> int:
        return sum(step.bits for step in self.steps)

    def positive(self) -> Move:
        return replace(self, steps=tuple(step.positive() for step in self.steps))

    def shapes(self) -> list[Shape]:
        """Return the shape before the first step and after each. Raises PatternError if a pattern does not fit."""
        return self._shapes

    @cached_property
    def _shapes(self) -> list[Shape]:
        shapes = [self.shape]
        for step in self.steps:
            shapes.append(step.shape(shapes[-1]))
        return shapes

    def regions(self) -> list[tuple[str, Region]] | None:
        region, shapes = WHOLE, self.shapes()
        for number, step in enumerate(self.steps):
            if isinstance(step, Part) and region is WHOLE:
                places = step.places
                before = (shapes[number], *map(str, self.steps[:number]))
                region = Region(before, step.operation.axis, places.start, places.stop, step.length)
            elif isinstance(step, Scale) or math.prod(shapes[number]) != math.prod(shapes[number + 1]):
                return None
        return [(self.source, region)]

    def result(self) -> Shape:
        return self.shapes()[-1]

    def forward(self, parameters: Parameters) -> Tensor:
        tensor = parameters[self.source]
        for step in self.steps:
            tensor = step.forward(tensor)
        # Some of torch's kernels cannot write the gradient of a parameter that is a view.
        return tensor.contiguous()

    def backward(self, tensor: Tensor) -> Tensor:
        """Return the reference's parameter; raises NoWayBackError as its steps do."""
        for step, shape in reversed(list(zip(self.steps, self.shapes(), strict=False))):
            try:
                tensor = step.backward(tensor, shape)
            except NoWayBackError as error:
                raise NoWayBackError(f"{self.target}{error}") from None
        return tensor

    def origins(self, tensor: Tensor) -> dict[str, Tensor]:
        return {self.source: self.backward(tensor)}

    def __str__(self) -> str:
        return _write(self.steps)

    @property
    def layout(self) -> str:
        """The steps as a user's transplant gives them: of a parameter that is cut in parts, those of a part."""
        return _write(self.steps[self._cut :] or [step for step in self.steps if not isinstance(step, Part)])

    def replaced(self, relayout: Relayout, axis_sizes: Mapping[str, int]) -> Move:
        """Return the move with a user's transplant of the parameter, or of every part of it.

        Raises:
            PatternError: the relayout does not fit.
        """
        steps = steps_of(relayout, self.shapes()[self._cut], axis_sizes)
        return replace(self, steps=(*self.steps[: self._cut], *steps))

    @property
    def _cut(self) -> int:
        """After how many steps there is the part that moves; 0 where all of the parameter does."""
        return max((number for number, step in enumerate(self.steps, start=1) if isinstance(step, Part)), default=0)


@dataclass(frozen=True)
class Merge(ParameterMove):
    """Several tensors of the reference that become one parameter of the candidate. `compute` is differentiable."""

    sources: tuple[str, ...]
    shape: Shape
    """That of the candidate's parameter."""
    compute: Callable[..., Tensor]
    """Takes the tensors in the order of `sources`."""
    formula: str
    """The formula, for a reader."""
    target: str = ""
    """The candidate's parameter; a recipe leaves it to the name that it stands under."""
    degree: int = 1
    bits: int = 0
    absolute: Callable[..., Tensor] | None = None
    """Computes the same with the absolute values of all constants, where some are negative."""

    @property
    def merges(self) -> bool:
        return True

    def positive(self) -> Merge:
        return self if self.absolute is None else replace(self, compute=self.absolute)

    def result(self) -> Shape:
        return self.shape

    def forward(self, parameters: Parameters) -> Tensor:
        sources = [parameters[source] for source in self.sources]
        # In float64, so that a merged parameter is rounded once, and nothing on the way under- or overflows.
        return self.compute(*(source.double() for source in sources)).to(sources[0].dtype)

    def origins(self, _tensor: Tensor) -> dict[str, Tensor]:
        raise NoWayBackError(
            f"{self.target} is {self.formula}: {' and '.join(self.sources)} are merged, and cannot be told apart again"
        )

    def __str__(self) -> str:
        return self.formula


@dataclass(frozen=True)
class Transplant:
    """The moves of all parameters."""

    moves: tuple[ParameterMove, ...]

    def forward(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the candidate's parameters from the reference's, and its statistics. Differentiable."""
        return {move.target: move.forward(parameters) for move in self.moves}

    def backward(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the reference's parameters from the candidate's. Raises NoWayBackError as the moves do."""
        originals: dict[str, Tensor] = {}
        for move in self.moves:
            for source, tensor in move.origins(parameters[move.target]).items():
                originals[source] = originals[source] + tensor if source in originals else tensor
        return originals

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the candidate's parameters."""
        return {move.target: move.result() for move in self.moves}

    def merges(self) -> bool:
        """Tell whether some parameters of the reference become one of the candidate."""
        return any(move.merges for move in self.moves)

    @property
    def degree(self) -> int:
        """The degree of the candidate's parameters as polynomials in the reference's."""
        return max((move.degree for move in self.moves), default=1)

    @property
    def bits(self) -> int | None:
        """How many bits of a parameter stand behind the point, where the reference's numbers are whole; None if any."""
        bits = [move.bits for move in self.moves]
        return None if None in bits else max((number or 0 for number in bits), default=0)

    def positive(self) -> Transplant:
        """Return the transplant with the absolute values of its constants, by which nothing cancels."""
        return Transplant(tuple(move.positive() for move in self.moves))

    def magnitudes(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return how large the candidate's parameters are if nothing cancels on the way to them."""
        return self.positive().forward({name: tensor.abs() for name, tensor in parameters.items()})

    def one_to_one(self) -> bool:
        """Tell whether every value moves to one place and none is added, scaled or merged.

        The mapping is then a bijection of the parameters, so both sides stay equal in training.
        """
        regions: dict[str, list[Region]] = {}
        for move in self.moves:
            moved = move.regions()
            if moved is None:
                return False
            for source, region in moved:
                regions.setdefault(source, []).append(region)
        return all(map(tile, regions.values()))

    def describe(self) -> dict[str, str]:
        """Return the steps for each of the candidate's parameters, as texts; formulas for those that are merged."""
        return {move.target: str(move) for move in self.moves}

    def obstacles(self, relayouts: Mapping[str, Relayout], axis_sizes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        """Yield the parameters for which `replaced` could not put a relayout to the test, and why."""
        for source, relayout in relayouts.items():
            moves = [move for move in self.moves if source in move.sources]
            if not moves:
                yield source, "nothing of the candidate is made of it"
            for move in moves:
                if not isinstance(move, Move):
                    yield source, f"{move.target} merges it with others, {move}; no pattern can stand in place of that"
                    continue
                try:
                    move.replaced(relayout, axis_sizes)
                except PatternError as error:
                    yield source, str(error)

    def replaced(self, relayouts: Mapping[str, Relayout], axis_sizes: Mapping[str, int]) -> Transplant:
        """Return this transplant with the given relayouts, by reference parameter, in place of its steps.

        Raises:
            PatternError: a relayout does not fit.
        """
        return Transplant(
            tuple(
                move.replaced(relayouts[move.source], axis_sizes)
                if isinstance(move, Move) and move.source in relayouts
                else move
                for move in self.moves
            )
        )


def _write(steps: Iterable[Step]) -> str:
    return " | ".join(map(str, steps))
