"""A rewrite is a value: what it accepts, which module it builds, and how weights move.

Everything else (proofs, shapes, counts, documentation, commands) is derived from it by code that knows no
particular rewrite. The record is light; torch is imported when a candidate is built.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convcheck.layers import Layer, Roundings
from convcheck.patterns import Group, Shape, parse, spell
from convcheck.specialise import specialise
from convcheck.transplant import Move, Rearrange, Step, Transplant

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Transform:
    """How far a candidate that goes through a transform may be off, since its sums are not those of the reference.

    Both are a-priori bounds of |error| / u, with u the unit roundoff of the arithmetic.
    """

    gain: Callable[[Any, Shape], float]
    """For a layer and an input's shape: of any output or gradient, divided by M^2, where all numbers are at most M."""
    rows: Callable[[Any, Tensor, Mapping[str, Tensor]], Tensor]
    """For a layer, its input and parameters: of the outputs, of a shape that broadcasts to theirs."""


Recipe = tuple[str, *tuple[str | Step, ...]]
"""A parameter of the reference, and the steps that it takes; a text is the template of an einops pattern."""


@dataclass(frozen=True)
class Refusal:
    """One reason why a rewrite does not hold for a layer: the field, what it is, and what it would have to be.

    A vacuous one is not about values: there is nothing to rewrite, or the layer is not of the kind, or not of the size,
    that the rewrite is made for.
    """

    field: str
    value: object
    need: str
    vacuous: bool = False

    def __str__(self) -> str:
        return f"{self.field} is {self.value}, and {self.need}"


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
    example: str
    """A layer for which it holds, to show it with."""
    refusals: Callable[..., Iterator[Refusal]]
    """Yields, for a layer and an input's shape, every reason why it does not hold; nothing when it holds."""
    candidate: Callable[..., nn.Module]
    """Builds the candidate for a layer and an input's shape; a rewrite with an order is handed that, too."""
    weights: Mapping[str, Recipe] | Callable[[Any, Shape], Mapping[str, Recipe]]
    """For each of the candidate's parameters, its recipe; a function where the recipe depends on the layer."""
    example_input: Shape | None = None
    """The example's input, where it does not hold for the layer's typical one."""
    order: str | None = None
    """The usual order of the axes within a patch, where any order would do; it stands for `{order}` in templates."""
    macs: Callable[[Any, Shape], int] = _same_macs
    """Multiply-accumulates of the candidate for a layer and an input shape."""
    pace: float = 1.0
    """How many times longer a multiplication takes here than in a matrix product, roughly, as measured on a CPU."""
    roundings: Callable[[Any], Roundings] = lambda _layer: Roundings()
    """How the candidate rounds on the way to one output entry."""
    transform: Transform | None = None
    """Set where the candidate is no sum of products of its inputs, and so only lands next to the integers."""
    training: str = ""
    """What it means for training where the transplant is not one-to-one."""

    def refuse(self, layer: Layer, shape: Shape) -> tuple[Refusal, ...]:
        """Return all reasons why the rewrite does not hold for `layer` on an input of `shape`; empty when it does."""
        if not isinstance(layer, self.families):
            return (Refusal("layer", layer.kind, f"needs to be {self.reference}"),)
        return tuple(self.refusals(layer, shape))

    def build(self, layer: Layer, shape: Shape, order: Group | None = None) -> nn.Module:
        """Return the candidate. Importing torch is up to the function that builds it."""
        ordered = (self.spelt_order(layer.dims, order),) if self.order else ()
        return self.candidate(layer, shape, *ordered)

    def spelt_order(self, dims: int, order: Group | None = None) -> str:
        """Return the patch order as pattern text: the one asked for, or the usual one."""
        return " ".join(order) if order else spell(self.order or "", dims)

    def refuse_order(self, layer: Layer, order: Group | None) -> tuple[Refusal, ...]:
        """Return why patches cannot be laid out in the order asked for; empty when they can, or none is asked for."""
        if order is None:
            return ()
        asked = f"'{' '.join(order)}'"
        if self.order is None:
            return (Refusal("order", asked, "patches are laid out in one order only here"),)
        axes = spell(self.order, layer.dims)
        if sorted(order) != sorted(axes.split()):
            return (Refusal("order", asked, f"needs to name each of '{axes}' once"),)
        return ()

    def transplant(self, layer: Layer, shape: Shape, order: Group | None = None) -> Transplant:
        """Return how the weights of `layer` move to the candidate."""
        has, known = layer.parameters(), layer.axis_sizes()
        recipes = self.weights(layer, shape) if callable(self.weights) else self.weights

        def step(written: str | Step) -> Step:
            if isinstance(written, Step):
                return written
            text = written.replace("{order}", self.spelt_order(layer.dims, order))
            pattern = parse(spell(text, layer.dims))
            # Patterns are told without groups where there are none.
            return Rearrange(pattern if known.get("g", 1) > 1 else pattern.without("g"), known)

        return Transplant(
            tuple(
                Move(source, target, has[source], tuple(step(each) for each in steps))
                for target, (source, *steps) in recipes.items()
                if source in has
            )
        )

    def code(self, layer: Layer, shape: Shape, order: Group | None = None) -> str:
        """Return the candidate for a layer as source that runs as it is, and binds it to the name `candidate`."""
        ordered = (self.spelt_order(layer.dims, order),) if self.order else ()
        arguments = inspect.signature(self.candidate).bind(layer, shape, *ordered).arguments
        return specialise(self.candidate, arguments)


def parameter_count(shapes: Mapping[str, Shape]) -> int:
    """Return how many values tensors of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes.values())
