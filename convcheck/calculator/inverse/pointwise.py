"""Layers that keep every length but that of the features, backwards."""

from __future__ import annotations

from convcheck.calculator.inverse.known_dims import Forms, keeps
from convcheck.calculator.inverse.ranges import ANY, holds, only, without
from convcheck.calculator.inverse.windowed import Box, NoInputError, inputs_of, say
from convcheck.errors import UsageError
from convcheck.layers.kinds.batchnorm import BatchNorm
from convcheck.layers.kinds.elementwise import Elementwise, Softmax
from convcheck.layers.kinds.linear import Linear
from convcheck.layers.kinds.multihead import MultiheadAttention


@inputs_of.register
def _(layer: BatchNorm, box: Box, _before: Forms | None) -> list[Box]:
    if len(box) != layer.dims + 2 and not (layer.dims == 1 and len(box) == 2):
        raise NoInputError(f"{layer.kind} gives outputs of {layer.dims + 2} axes, not of {len(box)}")
    if layer.affine or layer.track_running_stats:
        if not holds(box[1], layer.num_features):
            raise NoInputError(f"{layer.kind} gives {layer.num_features} channels, not {say(box[1])}")
        box = (box[0], only(layer.num_features), *box[2:])
    others = [axis for axis in range(len(box)) if axis != 1]
    if layer.track_running_stats or any(box[axis] is ANY for axis in others):
        return [box]
    # Statistics of the batch need more than one value: one of these axes is not 1, and those before it are.
    several = []
    for number, axis in enumerate(others):
        cut = {**dict.fromkeys(others[:number], only(1)), axis: without(box[axis], 1)}
        if cut[axis] != () and all(holds(box[other], 1) for other in others[:number]):
            several.append(tuple(cut.get(at, lengths) for at, lengths in enumerate(box)))
    if not several:
        raise NoInputError(f"{layer.kind} takes the statistics of the batch, so more than one value per channel")
    return several


@inputs_of.register
def _(layer: Elementwise | Softmax, box: Box, _before: Forms | None) -> list[Box]:
    if not keeps(layer, len(box)):
        raise NoInputError(f"{layer} gives no output of {len(box)} axes")
    return [box]


@inputs_of.register
def _(layer: Linear, box: Box, _before: Forms | None) -> list[Box]:
    if not box or not holds(box[-1], layer.out_features):
        raise NoInputError(f"Linear gives {layer.out_features} features, not {say(box[-1]) if box else 'none'}")
    return [(*box[:-1], only(layer.in_features))]


@inputs_of.register
def _(layer: MultiheadAttention, box: Box, _before: Forms | None) -> list[Box]:
    if not layer.packed:
        raise UsageError(f"{layer} takes 3 inputs, which an output's shape does not tell")
    if len(box) not in (2, 3) or not holds(box[-1], layer.embed_dim):
        raise NoInputError(f"{layer.kind} gives 2 or 3 axes, and {layer.embed_dim} features on the last one")
    return [(*box[:-1], only(layer.embed_dim))]
