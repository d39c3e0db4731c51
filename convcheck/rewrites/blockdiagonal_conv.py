"""A grouped convolution, transposed or not, is a dense one whose weight is block-diagonal in its channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from convcheck.layers import Conv, ConvTranspose
from convcheck.rewriting.preconditions import grouped
from convcheck.rewriting.rewrite import Recipe, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(layer: Conv | ConvTranspose, shape: Shape) -> nn.Module:
    from torch import nn

    arguments = {**layer.arguments(), "groups": 1}
    dense: nn.Module = getattr(nn, layer.kind)(**arguments)
    return dense


def weights(layer: Conv | ConvTranspose, shape: Shape) -> Mapping[str, Recipe]:
    # Of a transposed convolution, whose weight is [(g i), o, ...], the blocks stand on the same diagonal.
    axes, grown = ("(g i) o {k}", "o") if isinstance(layer, ConvTranspose) else ("(g o) i {k}", "i")
    return {"weight": ("weight", f"{axes} -> {axes} | blocks {grown} {layer.groups}"), "bias": ("bias", "o -> o")}


REWRITE = Rewrite(
    claim=__doc__,
    summary="one dense convolution with a block-diagonal weight",
    reference="Conv1d, Conv2d or Conv3d, transposed or not",
    holds_when="groups > 1",
    formula="y[(g o), n] = b[(g o)] + sum over g', i, k of D[(g o), (g' i), k] * x[(g' i), s*n + d*k - p], "
    "with D = W where g' = g, else 0",
    derivation=(
        "Outputs of a group read inputs of that group alone. D gives the inputs of other groups the weight 0, and so "
        "adds 0 for each of them."
    ),
    source="torch.nn.Conv2d, argument groups: no input of one group is connected with an output of another",
    families=(Conv, ConvTranspose),
    example="Conv2d(4, 8, kernel_size=3, padding=1, groups=2)",
    preconditions=(grouped,),
    candidate=candidate,
    weights=weights,
    macs=lambda layer, shape: layer.macs(shape) * layer.groups,
    # As im2col writes the layer out, all groups at once.
    intermediates=lambda layer, shape: layer.im2col_size(shape) * layer.groups,
    # Both sides are layers of the same kind, and zeros add nothing to round.
    roundings=lambda layer: layer.roundings(),
    training="zeros stand between channels of different groups; an optimiser step makes them weights of their own, and "
    "the candidate becomes a convolution without groups",
)
