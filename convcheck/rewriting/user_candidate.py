"""A candidate of the user's own as a rewrite: it makes the same kind of claim, and gets the same evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from convcheck.config.replacement import Replacement, tensors_of
from convcheck.config.sources import Source
from convcheck.layers import Layer
from convcheck.rewriting.rewrite import Rewrite
from convcheck.rewriting.source_moves import SourceReader
from convcheck.rewriting.transplant import Transplant
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
        derivation="",
        source="",
        families=(type(layer),),
        example=str(layer),
        candidate=build,
        macs=lambda _layer, *shapes: candidate.macs(*shapes),
        intermediates=lambda _layer, *shapes: candidate.im2col_size(*shapes),
        roundings=lambda _layer: candidate.roundings(),
        training="the map copies, adds, scales or leaves out values, and training lets them drift apart",
    )


def lay_out(layout: Rearrangement) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """Return a forward hook that lays a module's output out."""
    from einops import rearrange

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return rearrange(output, str(layout.pattern), **dict(layout.lengths))

    return hook


def transplant_to(layer: Layer, replacement: Replacement) -> Transplant:
    """Return how the tensors of `layer` move to those of its replacement.

    Raises:
        CannotRunError: the map is a function, which cannot be run.
    """
    if replacement.map_by is not None:
        from convcheck.rewriting.map_function import transplant_by

        axes = {name: layer.parameter_axes(name) for name in layer.parameters()}
        return transplant_by(replacement.map_by, tensors_of(layer), axes)
    has, known, wanted = tensors_of(layer), layer.axis_sizes(), tensors_of(replacement.layer)
    reader = SourceReader(has, known)
    moves = (
        reader.move(_with_axes(layer, source, has), target, wanted[target])
        for target, source in replacement.sources().items()
    )
    return Transplant(tuple(moves))


def _with_axes(layer: Layer, source: Source, has: Mapping[str, Shape]) -> Source:
    """Return the source with the pattern that leaves it as it is, if it is a parameter as it is."""
    name = source.operand
    if not isinstance(name, str) or source.relayout is not None:
        return source
    statistic = name not in layer.parameters()
    axes = tuple((f"a{number}",) for number in range(len(has[name]))) if statistic else layer.parameter_axes(name)
    return Source(name, Relayout((Rearrangement(Pattern(axes, axes)),)))
