"""A rewrite is a value: what it accepts, which module it builds, and how weights move.

Everything else (proofs, shapes, counts, documentation, commands) is derived from it by code that knows no
particular rewrite. The record is light; torch is imported when a candidate is built.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convcheck.layers import Layer, Roundings
from convcheck.patterns import Group, Pattern, Shape, parse, spell

if TYPE_CHECKING:
    from torch import Tensor, nn

Parameters = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Refusal:
    """One reason why a rewrite does not hold for a layer: the field, what it is, and what it would have to be."""

    field: str
    value: object
    need: str

    def __str__(self) -> str:
        return f"{self.field} is {self.value}, and {self.need}"


class CopiesDifferError(ValueError):
    """Values that should be copies of each other are not, so there is no way back."""


@dataclass(frozen=True)
class Move:
    """How one parameter of the reference, of a given shape, becomes one of the candidate.

    `known` are the lengths of axes that the shape alone does not tell.
    """

    source: str
    target: str
    pattern: Pattern
    shape: Shape
    known: Mapping[str, int]

    def target_shape(self) -> Shape:
        """Return the shape of the candidate's parameter. Raises PatternError if the pattern does not fit."""
        return self.pattern.shape(self.shape, self.known)

    def forward(self, tensor: Tensor) -> Tensor:
        """Return the candidate's parameter. Differentiable."""
        import einops

        return einops.repeat(tensor, str(self.pattern), **self.pattern.sizes(self.shape, self.known))

    def backward(self, tensor: Tensor) -> Tensor:
        """Return the reference's parameter.

        Raises:
            CopiesDifferError: the candidate's holds copies of one value, and they do not agree.
        """
        import einops
        import torch

        apart = Pattern(self.pattern.target, (self.pattern.repeated, *self.pattern.source))
        first = einops.rearrange(tensor, str(apart), **self.pattern.sizes(self.shape, self.known))[0]
        copies = self.forward(first)
        if not torch.equal(copies, tensor):
            at = tuple((copies != tensor).nonzero()[0].tolist())
            raise CopiesDifferError(
                f"{self.target}{list(at)} is {tensor[at].item()!r}, but '{self.pattern}' makes it a copy of "
                f"{copies[at].item()!r}"
            )
        return first


@dataclass(frozen=True)
class Transplant:
    """How all parameters move."""

    moves: tuple[Move, ...]

    def forward(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the candidate's parameters from the reference's. Differentiable."""
        return {move.target: move.forward(parameters[move.source]) for move in self.moves}

    def backward(self, parameters: Parameters) -> dict[str, Tensor]:
        """Return the reference's parameters from the candidate's. Raises CopiesDifferError as Move.backward does."""
        return {move.source: move.backward(parameters[move.target]) for move in self.moves}

    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the candidate's parameters."""
        return {move.target: move.target_shape() for move in self.moves}

    def one_to_one(self) -> bool:
        """Tell whether every value moves to exactly one place, so that training both sides stays equal, too."""
        return all(move.pattern.copies(move.shape, move.known) == 1 for move in self.moves)

    def describe(self) -> dict[str, str]:
        """Return the pattern for each of the candidate's parameters."""
        return {move.target: str(move.pattern) for move in self.moves}

    def replaced(self, patterns: Mapping[str, Pattern]) -> Transplant:
        """Return this transplant with the given patterns, by reference parameter, in place of its own."""
        return Transplant(tuple(replace(move, pattern=patterns.get(move.source, move.pattern)) for move in self.moves))


def _same_macs(layer: Any, shape: Shape) -> int:
    macs = layer.macs(shape)
    assert isinstance(macs, int)
    return macs


@dataclass(frozen=True)
class Rewrite:
    """A claim that two modules compute the same function.

    Its name is that of its file. Functions get the layer they rewrite, of one of the `families`.
    """

    claim: str
    """One sentence: what equals what. It is the docstring of the rewrite's file."""
    reference: str
    """The layers it rewrites, in words."""
    holds_when: str
    """The precondition, in words."""
    formula: str
    source: str
    """Where the identity is stated."""
    families: tuple[type[Layer], ...]
    refusals: Callable[[Any], Iterator[Refusal]]
    """Yields every reason why it does not hold for a layer; nothing when it holds."""
    candidate: Callable[[Any, str], nn.Module]
    """Builds the candidate for a layer and a patch order."""
    weights: Mapping[str, tuple[str, str]]
    """For each of the candidate's parameters, the reference's and the pattern, in which `{order}` may stand."""
    order: str | None = None
    """The usual order of the axes within a patch, where any order would do."""
    macs: Callable[[Any, Shape], int] = _same_macs
    """Multiply-accumulates of the candidate for a layer and an input shape."""
    roundings: Callable[[Any], Roundings] = lambda _layer: Roundings()
    """How the candidate rounds on the way to one output entry."""
    training: str = ""
    """What it means for training where the transplant is not one-to-one."""

    def refuse(self, layer: Layer) -> tuple[Refusal, ...]:
        """Return all reasons why the rewrite does not hold for `layer`; empty when it does."""
        if not isinstance(layer, self.families):
            return (Refusal("layer", layer.kind, f"needs {self.reference}"),)
        return tuple(self.refusals(layer))

    def spelt_order(self, dims: int, order: Group | None = None) -> str:
        """Return the patch order as pattern text: the one asked for if it fits, else the usual one."""
        usual = spell(self.order or "", dims)
        asked = " ".join(order or ())
        return asked if sorted(asked.split()) == sorted(usual.split()) else usual

    def transplant(self, layer: Layer, order: Group | None = None) -> Transplant:
        """Return how the weights of `layer` move to the candidate."""
        has, sizes = layer.parameters(), layer.axis_sizes()
        moves = []
        for target, (source, template) in self.weights.items():
            if source in has:
                text = template.replace("{order}", self.spelt_order(layer.dims, order))
                pattern = parse(spell(text, layer.dims))
                # Patterns are told without groups where there are none.
                pattern = pattern if sizes.get("g", 1) > 1 else pattern.without("g")
                moves.append(Move(source, target, pattern, has[source], sizes))
        return Transplant(tuple(moves))

    def code(self) -> str:
        """Return the source of the function that builds the candidate."""
        return inspect.getsource(self.candidate)


def parameter_count(shapes: Mapping[str, Shape]) -> int:
    """Return how many values tensors of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes.values())
