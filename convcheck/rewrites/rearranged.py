"""A change of layout is an einops pattern, and an einops pattern is view, permute, view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcheck.layers import Layer, Roundings
from convcheck.rewriting.layouts import LAYOUTS, as_pattern
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(layer: Layer, shape: Shape) -> nn.Module:
    from einops.layers.torch import Rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import regroup

    pattern, known = as_pattern(layer, shape)
    lengths = pattern.needed(known)
    if layer.kind == "rearrange":
        source, target = (list(filter(None, side)) for side in (pattern.source, pattern.target))
        # Axes of length 1 that have no name go first, and come last.
        lost = [axis for axis, group in reversed(list(enumerate(pattern.source))) if not group]
        made = [axis for axis, group in enumerate(pattern.target) if not group]
        names = [axis for group in source for axis in group]
        apart = [(axis, [lengths.get(name, -1) for name in group]) for axis, group in enumerate(source)]
        # The last axis first, so that those before it keep their numbers.
        splits = [(axis, sizes) for axis, sizes in reversed(apart) if len(sizes) > 1]
        places = tuple(names.index(axis) for group in target for axis in group)
        joins = [(axis, axis + len(group) - 1) for axis, group in enumerate(target) if len(group) > 1]

        class ViewPermute(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return regroup(x, lost, splits, places, joins, made)

        rearranged: nn.Module = ViewPermute()
    else:
        rearranged = Rearrange(str(pattern), **lengths)
    return rearranged


REWRITE = Rewrite(
    claim=__doc__,
    summary="view, permute, view",
    reference="PixelShuffle, PixelUnshuffle, Flatten, Unflatten or rearrange()",
    holds_when="always",
    formula="y[joined axes, in their new order] = x[joined axes, in their old order]",
    derivation=(
        "A pattern splits axes, puts them in another order, and joins some: a view, a permute and a view. No entry is "
        "computed."
    ),
    source="A. Rogozhnikov, Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation, 2022",
    families=LAYOUTS,
    example="rearrange('b c (h p) (w q) -> b h w (p q c)', p=2, q=2)",
    candidate=candidate,
    roundings=lambda _layer: Roundings(sums=0),
)
