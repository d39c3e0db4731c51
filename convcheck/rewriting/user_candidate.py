"""A candidate of the user's own as a rewrite: it makes the same kind of claim, and gets the same evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from convcheck.config.replacement import Replacement, tensors_of
from convcheck.layers import Layer
from convcheck.rewriting.rewrite import Rewrite
from convcheck.rewriting.steps import steps_of
from convcheck.rewriting.transplant import Move, Transplant
from convcheck.sizes.patterns import Pattern, Shape
from convcheck.sizes.relayouts import Rearrangement, Relayout

if TYPE_CHECKING:
    from torch import Tensor, nn


def as_rewrite(layer: Layer, replacement: Replacement) -> Rewrite:
    """Return the claim that `replacement` computes what `layer` does."""
    candidate = replacement.layer

    def build(_layer: Layer, *_shapes: Shape) -> nn.Module:
        from convcheck.modules.build import build

        module = build(candidate)
        if replacement.layout is not None:
            module.register_forward_hook(lay_out(replacement.layout))
        return module

    return Rewrite(
        claim=f"{layer} is {candidate}.",
        summary="a candidate of one's own",
        reference=layer.kind,
        holds_when="",
        formula="",
        source="",
        families=(type(layer),),
        example=str(layer),
        candidate=build,
        macs=lambda _layer, *shapes: candidate.macs(*shapes),
        intermediates=lambda _layer, *shapes: candidate.im2col_size(*shapes),
        roundings=lambda _layer: candidate.roundings(),
        training="the map copies, pads or leaves out values, and training lets them drift apart",
    )


def lay_out(layout: Rearrangement) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """Return a forward hook that lays a module's output out."""
    from einops import rearrange

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return rearrange(output, str(layout.pattern), **dict(layout.lengths))

    return hook


def transplant_to(layer: Layer, replacement: Replacement) -> Transplant:
    """Return how the tensors of `layer` move to those of its replacement."""
    has, known = tensors_of(layer), layer.axis_sizes()
    moves = []
    for target, source in replacement.sources().items():
        shape = has[source.name]
        relayout = source.relayout or _as_it_is(layer, source.name, shape)
        moves.append(Move(source.name, target, shape, steps_of(relayout.ungrouped(known), shape, known)))
    return Transplant(tuple(moves))


def _as_it_is(layer: Layer, name: str, shape: Shape) -> Relayout:
    statistic = name not in layer.parameters()
    axes = tuple((f"a{number}",) for number in range(len(shape))) if statistic else layer.parameter_axes(name)
    return Relayout((Rearrangement(Pattern(axes, axes)),))
