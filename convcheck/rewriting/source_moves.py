"""How a parameter of a candidate is made of a source, which a user wrote: see `convcheck.config.sources`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.config import sources
from convcheck.config.sources import Added, Constant, Operand, Product, Scaled, Shapes, Source, part_shapes
from convcheck.rewriting.joined import Fill, Joined, fraction_bits
from convcheck.rewriting.parameter_move import ParameterMove
from convcheck.rewriting.steps import Scale, Step, steps_of
from convcheck.rewriting.transplant import Merge, Move
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor

Numbers = Mapping[str, "Tensor"]
Compute = Callable[[Numbers], "Tensor"]


@dataclass(frozen=True)
class SourceReader:
    """Makes moves of sources for one reference: the shapes of its tensors, and lengths of axes that they leave open."""

    has: Shapes
    axis_sizes: Mapping[str, int]

    def move(self, source: Source, target: str, wanted: Shape) -> ParameterMove:
        """Return the move to a parameter whose shape is `wanted`. Raises PatternError where shapes do not fit."""
        match source.operand:
            case str() as name:
                return Move(name, target, self.has[name], self._steps(source, self.has[name]))
            case Scaled(operand=str() as name, factor=factor) if _is_power_of_two(factor):
                shape = self.has[name]
                return Move(name, target, shape, (Scale(factor), *self._steps(source, shape)))
            case Constant(number=number) if source.relayout is None:
                return Fill(target, wanted, number)
            case Scaled(operand=Constant(number=number), factor=factor) if source.relayout is None:
                return Fill(target, wanted, number * factor)
            case sources.Joined() as joined:
                hint = wanted if source.relayout is None else None
                shapes = part_shapes(joined, self.has, self.axis_sizes, hint)
                parts = tuple(self.move(part, target, shape) for part, shape in zip(joined.parts, shapes, strict=True))
                shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
                return Joined(target, parts, Move(str(joined), target, shape, self._steps(source, shape)))
        return self._merge(source, target, wanted)

    def _merge(self, source: Source, target: str, wanted: Shape) -> Merge:
        names = source.names()
        compute, absolute = (self._compute(source, wanted, absolute=absolute) for absolute in (False, True))

        def by_position(compute: Compute) -> Callable[..., Tensor]:
            return lambda *tensors: compute(dict(zip(names, tensors, strict=True)))

        return Merge(
            names,
            source.shape(self.has, self.axis_sizes, wanted),
            by_position(compute),
            str(source),
            target,
            degree=_degree(source),
            bits=_bits(source),
            absolute=by_position(absolute),
        )

    def _steps(self, source: Source, shape: Shape) -> tuple[Step, ...]:
        if source.relayout is None:
            return ()
        return steps_of(source.relayout.ungrouped(self.axis_sizes), shape, self.axis_sizes)

    def _compute(self, operand: Operand, wanted: Shape | None, *, absolute: bool) -> Compute:
        """Return a function of the reference's tensors; `absolute` drops the signs of all constants."""
        import torch

        def inner(operand: Operand, wanted: Shape | None) -> Compute:
            return self._compute(operand, wanted, absolute=absolute)

        match operand:
            case str():
                return lambda tensors: tensors[operand]
            case Constant(number=number):
                # A formula of constants alone is refused.
                assert wanted is not None
                return lambda tensors: next(iter(tensors.values())).new_full(wanted, number)
            case Scaled(operand=scaled, factor=factor):
                compute = inner(scaled, wanted)
                times = abs(factor) if absolute else factor
                return lambda tensors: compute(tensors) * times
            case Added(terms=terms):
                shape = sources.shape_of(operand, self.has, self.axis_sizes, wanted)
                computes = [inner(term, shape) for term in terms]
                return lambda tensors: sum((compute(tensors) for compute in computes[1:]), computes[0](tensors))
            case Product(axes=axes, target=target, operands=operands):
                computes = [inner(one, None) for one in operands]
                order = list(dict.fromkeys(axis for group in axes for axis in group))
                rows = [list(map(order.index, group)) for group in axes]
                last = list(map(order.index, target))

                def product(tensors: Numbers) -> Tensor:
                    pairs = zip(computes, rows, strict=True)
                    return torch.einsum(*(item for compute, row in pairs for item in (compute(tensors), row)), last)

                return product
            case sources.Joined(parts=parts):
                shapes = part_shapes(operand, self.has, self.axis_sizes, wanted)
                computes = [inner(part, shape) for part, shape in zip(parts, shapes, strict=True)]
                return lambda tensors: torch.cat([compute(tensors) for compute in computes])
            case Source(operand=moved, relayout=None):
                return inner(moved, wanted)
            case Source(operand=moved):
                compute = inner(moved, None)
                steps = self._steps(operand, sources.shape_of(moved, self.has, self.axis_sizes, None))

                def move(tensors: Numbers) -> Tensor:
                    tensor = compute(tensors)
                    for step in steps:
                        tensor = (step.positive() if absolute else step).forward(tensor)
                    return tensor

                return move


def _is_power_of_two(factor: float) -> bool:
    return abs(math.frexp(factor)[0]) == 0.5


def _degree(operand: Operand) -> int:
    match operand:
        case str():
            return 1
        case Constant():
            return 0
        case Source() | Scaled():
            return _degree(operand.operand)
        case sources.Joined(parts=inner) | Added(terms=inner):
            return max(map(_degree, inner))
        case Product(operands=inner):
            return sum(map(_degree, inner))


def _bits(operand: Operand) -> int:
    """Return how many bits stand behind the point where the reference's numbers are whole."""
    match operand:
        case str() | Constant():
            return 0
        case Source():
            return _bits(operand.operand)
        case Scaled():
            return _bits(operand.operand) + fraction_bits(operand.factor)
        case sources.Joined(parts=inner) | Added(terms=inner):
            return max(map(_bits, inner))
        case Product(operands=inner):
            return sum(map(_bits, inner))
