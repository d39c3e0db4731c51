"""A rewrite is a value: what it accepts, which module it builds, and how weights move.

Everything else (proofs, shapes, counts, documentation, commands) is derived from it by code that knows no
particular rewrite. The record is light; torch is imported when a candidate is built.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import TYPE_CHECKING, Any

from convcheck.layers import Layer, Roundings
from convcheck.rewriting.specialise.source import Source, specialise
from convcheck.rewriting.steps import steps_of
from convcheck.rewriting.takeaway.source_file import source_file
from convcheck.rewriting.transplant import Merge, Move, Transplant
from convcheck.sizes.patterns import Group, Pattern, Shape, Shapes, spell
from convcheck.sizes.relayouts import Rearrangement, Relayout, parse_relayout

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Transform:
    """Error bounds of a candidate that goes through a transform, whose sums are not those of the reference.

    Both are a-priori bounds of |error| / u, with u the unit roundoff of the arithmetic.
    """

    gain: Callable[..., float]
    """Takes a layer and its inputs' shapes; bounds |error| / (u M^2) of outputs and gradients, for numbers up to M."""
    rows: Callable[[Any, Tensor, Mapping[str, Tensor]], Tensor]
    """Takes a layer, its input and parameters; bounds |error| / u of the outputs: `[*output]`, or broadcasts to it."""


Recipe = tuple[str] | tuple[str, str]
"""A parameter of the reference, and a template of its relayout; without one, the parameter moves as it is."""


@dataclass(frozen=True)
class Refusal:
    """One reason why a rewrite does not hold for a layer: the field, its value, the value it needs, and why.

    It is vacuous if there is nothing to rewrite, or the layer is not of the kind or size that the rewrite is made for.
    """

    field: str
    value: object
    need: object
    """A text, or what is written as one."""
    why: str = ""
    vacuous: bool = False

    def __str__(self) -> str:
        return f"{self.brief}: {self.why}" if self.why else self.brief

    @property
    def brief(self) -> str:
        """The reason in a few words."""
        return f"{self.field} is {self.value}, and {self.need}"


def _same_macs(layer: Any, *shapes: Shape) -> int:
    macs = layer.macs(*shapes)
    assert isinstance(macs, int)
    return macs


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """A claim that two modules compute the same function.

    Its name is that of its file. Functions get the layer they rewrite, of one of the `families`, and the shapes of its
    inputs, one argument each.
    """

    claim: str
    """One sentence: what equals what. It is the docstring of the rewrite's file."""
    summary: str
    """The candidate in a few words, for lists."""
    reference: str
    """The layers it rewrites, in words."""
    holds_when: str
    """The precondition, in words."""
    formula: str
    """The candidate's sum, in the letters of the layer's: s stride, d dilation, p padding, k tap, n position."""
    derivation: str
    """From the layer's formula to that one, in a few sentences."""
    source: str
    """Where the identity is stated."""
    families: tuple[type[Layer], ...]
    example: str
    """A layer for which it holds, to show it with."""
    preconditions: tuple[Callable[..., Iterator[Refusal]], ...] = ()
    """Each yields, for a layer and its inputs' shapes, the reasons why it does not hold; nothing when it holds."""
    candidate: Callable[..., nn.Module]
    """Builds the candidate for a layer and its inputs' shapes; a rewrite with an order is handed that, too."""
    weights: Mapping[str, Recipe | Merge] | Callable[..., Mapping[str, Recipe | Merge]] = field(default_factory=dict)
    """For each of the candidate's parameters, its recipe; a function where the recipe depends on the layer."""
    example_inputs: Shapes | None = None
    """The example's inputs, where it does not hold for the layer's typical ones."""
    order: str | None = None
    """The usual order of the axes within a patch, where any order would do; it stands for `{order}` in templates."""
    macs: Callable[..., int] = _same_macs
    """Multiply-accumulates of the candidate for a layer and its inputs' shapes."""
    intermediates: Callable[..., int] | None = None
    """How many values the candidate holds at once, forwards and backwards, beside its operands and one copy of each,
    in float64; None where they are those of the layer: see `Layer.im2col_size`."""
    relative_cost: float = 1.0
    """How many times longer a multiplication takes here than in a matrix product, roughly, as measured on a CPU."""
    slowness: Callable[..., float] | None = None
    """How many times longer it takes in a proof, which runs backwards, too, for a layer and its inputs' shapes; None
    where that is the `relative_cost`."""
    roundings: Callable[[Any], Roundings] = lambda _layer: Roundings()
    """How the candidate rounds on the way to one output entry."""
    transform: Transform | None = None
    """Set where the candidate is no sum of products of its inputs, and so only lands next to the integers."""
    analysis: Callable[..., Tensor] | None = None
    """Set where the layer is no polynomial: how far both sides may be apart, entry by entry. It gets the layer, its
    inputs and parameters in float64, and the Arithmetic."""
    input_scales: Callable[..., tuple[float, ...]] = lambda _layer, *shapes: (1.0,) * len(shapes)
    """How large the inputs have to be, one by one, to tell all of a layer that is no polynomial: a softmax shows what
    goes into it where its scores are of order 1."""
    training: str = ""
    """What it means for training where the transplant is not one-to-one."""
    saving: str = ""
    """What it saves that is not counted in multiply-accumulates."""

    def refuse(self, layer: Layer, shapes: Shapes) -> tuple[Refusal, ...]:
        """Return all reasons why the rewrite does not hold for `layer` on inputs of `shapes`; empty when it does."""
        if not isinstance(layer, self.families) or layer.COUNTED_ONLY:
            return (Refusal("layer", layer.kind, f"needs to be {self.reference}"),)
        return tuple(refusal for holds in self.preconditions for refusal in holds(layer, *shapes))

    def build(self, layer: Layer, shapes: Shapes, order: Group | None = None) -> nn.Module:
        """Return the candidate. Importing torch is up to the function that builds it."""
        ordered = (self.spelt_order(layer.dims, order),) if self.order else ()
        return self.candidate(layer, *shapes, *ordered)

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

    def transplant(self, layer: Layer, shapes: Shapes, order: Group | None = None) -> Transplant:
        """Return how the weights of `layer` move to the candidate."""
        has, known = layer.parameters(), layer.axis_sizes()
        recipes = self.weights(layer, *shapes) if callable(self.weights) else self.weights

        def relayout(source: str, *template: str) -> Relayout:
            if not template:
                axes = layer.parameter_axes(source)
                return Relayout((Rearrangement(Pattern(axes, axes)),))
            text = template[0].replace("{order}", self.spelt_order(layer.dims, order))
            return parse_relayout(spell(text, layer.dims))

        def moves(target: str, recipe: Recipe | Merge) -> Iterator[Move | Merge]:
            if isinstance(recipe, Merge):
                yield replace(recipe, target=target)
            elif recipe[0] in has:
                steps = steps_of(relayout(*recipe).ungrouped(known), has[recipe[0]], known)
                yield Move(recipe[0], target, has[recipe[0]], steps)

        return Transplant(tuple(move for target, recipe in recipes.items() for move in moves(target, recipe)))

    def makes_parameters(self) -> bool:
        """Tell whether the candidate's class holds parameters itself, not only in layers of torch."""
        return any("Parameter" in code.co_names for code in _codes(self.candidate.__code__))

    def candidate_source(self, layer: Layer, shapes: Shapes, order: Group | None = None) -> Source:
        """Return what builds the candidate for a layer, and binds it to the name `candidate`."""
        ordered = (self.spelt_order(layer.dims, order),) if self.order else ()
        bound = inspect.signature(self.candidate).bind(layer, *shapes, *ordered)
        # Optional inputs that are missing are known to be missing.
        bound.apply_defaults()
        return specialise(self.candidate, bound.arguments)

    def code(self, layer: Layer, shapes: Shapes, order: Group | None = None) -> str:
        """Return the candidate for a layer as a file that runs as it is: a class, and functions for state dicts."""
        name = "".join(word.capitalize() for word in self.candidate.__module__.rpartition(".")[2].split("_"))
        inputs = " and ".join(str(list(shape)) for shape in shapes)
        description = f"{self.summary[0].upper()}{self.summary[1:]}; for inputs of {inputs}, in place of\n\n{layer}"
        source = self.candidate_source(layer, shapes, order)
        return source_file(source, name, description, self.transplant(layer, shapes, order), self.training)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function, and of all functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def parameter_count(shapes: Mapping[str, Shape]) -> int:
    """Return how many values tensors of these shapes hold."""
    return sum(math.prod(shape) for shape in shapes.values())
