"""A map that is a function of the user's, from the reference's state dict to the candidate's.

Most only move entries. That is seen by labels: every entry of the reference gets a number of its own, and where it
comes out again shows how it moved; a second run on random numbers shows that this is all that the function does. It is
then replaced by the moves, which are exact and differentiable, and patterns where patterns can say them. Any other
function is called as it is, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convcheck.config.replacement import MapFunction
from convcheck.errors import CannotRunError
from convcheck.rewriting.arrangements import arrange
from convcheck.rewriting.entries import Entries, EntryTransplant
from convcheck.rewriting.parameter_move import ParameterMove, Parameters
from convcheck.rewriting.steps import NoWayBackError
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sizes.patterns import Group, Shape
from convcheck.user_code.failures import describe
from convcheck.user_code.imports import user_code_runs
from convcheck.user_code.settings import settings_restored

FIRST_LABEL = 2**40
"""Beyond all numbers that a function may put between the entries that it moves."""

SCALES = (1.0, 2.0**-10, 4.0, 16.0, 2.0**10, 2.0**20)
"""How large numbers are on which a function has to do what it does to labels."""

ROUNDINGS = 16
"""How often a function is taken to round a number in float64 that it does not only move."""

SIGNS = 4
"""With how many other signs a function that computes is tried for how large its numbers get."""

Axes = Mapping[str, tuple[Group, ...]]


def transplant_by(function: MapFunction, shapes: Mapping[str, Shape], axes: Axes) -> Transplant:
    """Return how tensors of these shapes move by a function. `axes` names the axes of some of them.

    Raises:
        CannotRunError: the function raises, changes what it gets, or returns no tensors by name.
    """
    labels, first = {}, FIRST_LABEL
    for name, shape in shapes.items():
        labels[name] = torch.arange(first, first + math.prod(shape), dtype=torch.float64).reshape(shape)
        first += math.prod(shape)
    made = run(function, {name: tensor.clone() for name, tensor in labels.items()}, check=True)
    moves = [_moved(target, tensor, labels) for target, tensor in made.items()]
    if all(_moves_only(function, moves, numbers) for numbers in _numbers(shapes)):
        entries = [move for move in moves if move is not None]
        return EntryTransplant(tuple(_as_pattern(move, axes) or move for move in entries), tuple(entries))
    computed = tuple(Computed(target, tuple(shapes), tuple(tensor.shape), function) for target, tensor in made.items())
    return FunctionTransplant(computed, function)


def _numbers(shapes: Mapping[str, Shape]) -> Iterator[dict[str, Tensor]]:
    """Yield random numbers, small ones and large ones, beyond a threshold that a function may have."""
    generator = torch.Generator().manual_seed(0)
    for scale in SCALES:
        yield {
            name: scale * torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()
        }


def _moves_only(function: MapFunction, moves: Sequence[Entries | None], numbers: Parameters) -> bool:
    """Tell whether a function makes of numbers what the moves do."""
    made = run(function, {name: tensor.clone() for name, tensor in numbers.items()})
    return len(made) == len(moves) and all(
        move is not None and move.target in made and torch.equal(move.forward(numbers), made[move.target])
        for move in moves
    )


def run(function: MapFunction, tensors: Parameters, *, check: bool = False) -> dict[str, Tensor]:
    """Return what the function makes of tensors; `check` that it leaves them, and their dict, as they were.

    Raises:
        CannotRunError: as `transplant_by` does; with the line in the user's file.
    """
    state = dict(tensors)
    before = {name: tensor._version for name, tensor in tensors.items()}
    try:
        with settings_restored(), user_code_runs():
            made = function.call(state)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CannotRunError(f"{function}: {describe(error)}") from None
    if check and (changed := [name for name in tensors if state.get(name) is not tensors[name]]):
        raise CannotRunError(f"{function} changes the dict that it gets, at {changed[0]}; let it make another one")
    if check and (changed := [name for name, tensor in tensors.items() if tensor._version != before[name]]):
        raise CannotRunError(f"{function} changes {changed[0]} in place; let it work on a clone")
    if not isinstance(made, Mapping):
        raise CannotRunError(f"{function} returns {type(made).__name__}; it must return a dict of tensors by name")
    return {name: _checked(function, name, tensor) for name, tensor in made.items()}


def _checked(function: MapFunction, name: object, tensor: object) -> Tensor:
    if not isinstance(name, str):
        raise CannotRunError(f"{function} returns the key {name!r}, which is no name of a parameter")
    if not isinstance(tensor, Tensor):
        raise CannotRunError(f"{function} returns {type(tensor).__name__} as {name}; it must be a tensor")
    if tensor.dtype != torch.float64:
        raise CannotRunError(f"{function} makes {name} {tensor.dtype} of tensors in float64; let it keep the dtype")
    return tensor


def _moved(target: str, made: Tensor, labels: Mapping[str, Tensor]) -> Entries | None:
    """Return the entries, and constants between them, that labels show in what was made; None if it is not so."""
    made = made.detach().cpu()
    magnitude, count = made.abs(), sum(tensor.numel() for tensor in labels.values())
    is_label = (magnitude >= FIRST_LABEL) & (magnitude < FIRST_LABEL + count) & (magnitude == magnitude.round())
    if not bool((is_label | (magnitude < FIRST_LABEL)).all()):
        return None
    signs = torch.where(is_label, made.sign(), 0.0)
    constants = torch.where(is_label, 0.0, made)
    index = torch.where(is_label, magnitude - FIRST_LABEL, 0.0).long()
    shapes = {name: tuple(tensor.shape) for name, tensor in labels.items()}
    return Entries.of(target, shapes, index, signs, constants)


def _as_pattern(move: Entries, axes: Axes) -> Move | None:
    """Return the same move as a pattern; None where none says it."""
    copies = move.copies()
    if len(move.sources) != 1 or copies is None:
        return None
    (source,) = move.sources
    shape = move.shapes[source]
    written = () if copies == 1 else (("r", copies),)
    numbers = torch.arange(1, math.prod(shape) + 1).reshape(shape)
    theirs = move.forward({source: numbers.double()}).long()
    for groups in (axes.get(source), tuple((f"a{number}",) for number in range(len(shape)))):
        if groups is None or len(groups) != len(shape) or any(len(group) != 1 for group in groups):
            continue
        sizes = {**{group[0]: length for group, length in zip(groups, shape, strict=True)}, **dict(written)}
        # Of copies, it compares the sums.
        steps = arrange(groups, sizes, written, numbers * copies, theirs)
        if steps is not None:
            made = Move(source, move.target, shape, steps)
            return made if torch.equal(made.forward({source: numbers.double()}).long(), theirs) else None
    return None


@dataclass(frozen=True, eq=False)
class Computed(ParameterMove):
    """A parameter that a function computes, from any tensor of the reference."""

    target: str
    sources: tuple[str, ...]
    shape: Shape
    function: MapFunction

    @property
    def merges(self) -> bool:
        return True

    @property
    def roundings(self) -> int:
        return ROUNDINGS

    @property
    def bits(self) -> int | None:
        return None

    def result(self) -> Shape:
        return self.shape

    def forward(self, parameters: Parameters) -> Tensor:
        return computed(self.function, parameters)[self.target]

    def origins(self, _tensor: Tensor) -> dict[str, Tensor]:
        raise NoWayBackError(f"{self.target} is computed by {self.function}, which says no way back")

    def __str__(self) -> str:
        return str(self.function)


@dataclass(frozen=True)
class FunctionTransplant(Transplant):
    """Calls the function once for all parameters."""

    function: MapFunction

    def forward(self, parameters: Parameters) -> dict[str, Tensor]:
        return computed(self.function, parameters)

    def positive(self) -> Transplant:
        return self

    def magnitudes(self, parameters: Parameters) -> dict[str, Tensor]:
        """Add up what the function makes of the numbers, of zeros, and of the numbers with other signs.

        Which constants and signs are in it nobody knows; what cancels with some signs adds up with others.
        """
        generator, total = torch.Generator().manual_seed(0), dict[str, Tensor]()
        zeros = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        absolute = {name: tensor.abs() for name, tensor in parameters.items()}
        tried = [parameters, zeros, absolute, {name: -tensor for name, tensor in absolute.items()}]
        tried += [{name: _signed(tensor, generator) for name, tensor in absolute.items()} for _ in range(SIGNS)]
        for numbers in tried:
            for name, tensor in self.forward(numbers).items():
                # With other signs there may be none, as under a root.
                magnitude = tensor.abs().nan_to_num(nan=0.0, posinf=0.0)
                total[name] = total.get(name, torch.zeros_like(tensor)) + magnitude
        return total


def _signed(tensor: Tensor, generator: torch.Generator) -> Tensor:
    signs = torch.randint(0, 2, tensor.shape, generator=generator).to(tensor) * 2 - 1
    return tensor * signs


def computed(function: MapFunction, parameters: Parameters) -> dict[str, Tensor]:
    """Return what a function makes of tensors, in their dtype: computed in float64, and differentiable if it can be."""
    wide: dict[str, Tensor] = {name: tensor.double() for name, tensor in parameters.items()}
    like = next(iter(parameters.values()))
    try:
        made = run(function, wide)
    except CannotRunError:
        # numpy takes no tensor that a gradient is asked for.
        made = run(function, {name: tensor.detach() for name, tensor in wide.items()})
    return {name: tensor.to(like.dtype) for name, tensor in made.items()}
