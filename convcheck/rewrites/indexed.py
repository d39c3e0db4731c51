"""A change of layout is indexing: the place in the input of every output is computed, then looked up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Layer, Roundings
from convcheck.rewriting.layouts import LAYOUTS, as_pattern
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(layer: Layer, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn

    pattern, known = as_pattern(layer, shape)
    # An axis of length 1 that has no name is called 1.
    source, target = ([group or ("1",) for group in side] for side in (pattern.source, pattern.target))
    given, rank = {"1": 1, **pattern.needed(known)}, len(target)
    # Of every axis of the input, the part whose length is not given, and the product of those that are.
    inferred = [
        (next((name for name in group if name not in given), "1"), math.prod(given.get(name, 1) for name in group))
        for group in source
    ]

    class Indexed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            axes = zip(inferred, x.shape, strict=True)
            lengths = {name: length // others for (name, others), length in axes} | given
            # Where along every axis of the pattern an output lies.
            places = {"1": torch.zeros([1] * rank, dtype=torch.long, device=x.device)}
            for number, (first, *others) in enumerate(target):
                length = math.prod(lengths[name] for name in (first, *others))
                place = torch.arange(length, device=x.device).reshape(*[1] * number, -1, *[1] * (rank - 1 - number))
                for name in reversed(others):
                    places[name] = place % lengths[name]
                    place = place // lengths[name]
                places[first] = place
            # Where along every axis of the input it is looked up.
            index = []
            for first, *others in source:
                place = places[first]
                for name in others:
                    place = place * lengths[name] + places[name]
                index.append(place)
            return x[tuple(index)]

    return Indexed()


REWRITE = Rewrite(
    claim=__doc__,
    summary="a lookup at indices that are computed",
    reference="PixelShuffle, PixelUnshuffle, Flatten, Unflatten or rearrange()",
    holds_when="always",
    formula="y[m, ...] = x[n, ...], with n = sum over its axes a of place[a] * in_stride[a], and place[a] = "
    "(m // out_stride[a]) % length[a] for the axes a of m; strides are within n and m",
    derivation=(
        "A change of layout computes nothing: entry m of the output is one entry n of the input. The place of m along "
        "axis a is (m // out_stride[a]) % length[a], and n is the sum of these places times the strides of the input."
    ),
    source="the definition of strides: torch.Tensor.stride",
    families=LAYOUTS,
    example="PixelShuffle(2)",
    candidate=candidate,
    roundings=lambda _layer: Roundings(sums=0),
)
