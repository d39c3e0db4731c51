"""Faults of a builder that overlooks a setting: it is told of another layer, without it or off by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import combinations
from random import Random

from benchmarks.fault_kinds import FaultKind
from benchmarks.planting import Fault, built_for
from convcheck.catalogue.claims import Claim
from convcheck.errors import ConvcheckError
from convcheck.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    DotProductAttention,
    Layer,
    MultiheadAttention,
    Patchify,
    Sequential,
    Unpatchify,
    parse_layer,
)
from convcheck.rewriting.layouts import LAYOUTS, as_pattern
from convcheck.sizes.patterns import Pattern, Shape

Others = Iterator[tuple[str, str, Layer]]
"""The kind of a fault, its place, and the layer that the builder is told of."""


def faults(claim: Claim, _random: Random) -> Iterator[Fault]:
    """Yield rewrites that were told of other layers, as far as these can be and take the inputs."""
    layer, shapes = claim.case.layer, claim.case.inputs
    others = relaid(layer, shapes[0]) if isinstance(layer, LAYOUTS) else overlooked(layer)
    for kind, place, other in others:
        if place == "batch_first" and all(len(shape) == 2 or shape[:2] == (1, 1) for shape in shapes[:3]):
            continue  # there is nothing to come first, or second
        if isinstance(layer, DotProductAttention) and place == "scale" and layer.scale == shapes[0][-1] ** -0.5:
            continue  # the layer names what is usual
        try:
            if next(other.inconsistencies(), None):
                continue
            other.output_shape(*shapes)
        except ConvcheckError:
            continue
        yield Fault(kind, place, built_for(claim, other), other=other)


def is_one(claim: Claim, fault: Fault) -> bool:
    """Tell whether a fault is one: a builder that makes the same program of another layer has overlooked nothing."""
    rewrite, layer, shapes, other = claim.rewrite, claim.case.layer, claim.case.inputs, fault.other
    assert rewrite is not None
    if other is None or isinstance(layer, LAYOUTS):
        return True
    right, wrong = rewrite.transplant(layer, shapes), rewrite.transplant(other, shapes)
    if right.merges() or right.describe() != wrong.describe():
        return True
    return str(rewrite.candidate_source(layer, shapes)) != str(rewrite.candidate_source(other, shapes))


def overlooked(layer: Layer) -> Others:
    """Yield layers that lack one setting of a layer, along one axis."""
    if isinstance(layer, Sequential):
        for number, each in enumerate(layer.layers):
            for kind, place, other in overlooked(each):
                chain = (*layer.layers[:number], other, *layer.layers[number + 1 :])
                yield kind, f"layer {number}: {place}", dataclasses.replace(layer, layers=chain)
    if isinstance(layer, (Conv, ConvTranspose)):
        yield from _without(layer)
    if isinstance(layer, (Patchify, Unpatchify)):
        for axis, step in enumerate(layer.strides):
            if step > 1:
                slow = dataclasses.replace(layer, stride=put(layer.strides, axis, 1))
                if isinstance(slow, Unpatchify):
                    # The output is smaller now, so the size that was asked for is out of reach.
                    slow = dataclasses.replace(slow, output_spatial_shape=None)
                yield FaultKind.STRIDE, f"axis {axis}", slow
    if isinstance(layer, BatchNorm):
        yield FaultKind.SETTING, "eps", dataclasses.replace(layer, eps=0.0)
    if isinstance(layer, DotProductAttention):
        if layer.is_causal:
            yield FaultKind.SETTING, "is_causal", dataclasses.replace(layer, is_causal=False)
        if layer.attn_mask:
            yield FaultKind.SETTING, "attn_mask", dataclasses.replace(layer, attn_mask=None)
        if layer.scale is not None:
            yield FaultKind.SETTING, "scale", dataclasses.replace(layer, scale=None)
    if isinstance(layer, MultiheadAttention):
        yield FaultKind.SETTING, "batch_first", dataclasses.replace(layer, batch_first=not layer.batch_first)
        if layer.add_zero_attn:
            yield FaultKind.SETTING, "add_zero_attn", dataclasses.replace(layer, add_zero_attn=False)
        if layer.num_heads > 1:
            yield FaultKind.SETTING, "num_heads", dataclasses.replace(layer, num_heads=1)


def _without(layer: Conv | ConvTranspose) -> Others:
    for axis in range(layer.dims):
        if layer.stride[axis] > 1:
            yield FaultKind.STRIDE, f"axis {axis}", dataclasses.replace(layer, stride=put(layer.stride, axis, 1))
        if layer.dilation[axis] > 1 and layer.kernel_size[axis] > 1:
            yield FaultKind.DILATION, f"axis {axis}", dataclasses.replace(layer, dilation=put(layer.dilation, axis, 1))
        if isinstance(layer.padding, tuple):
            for by in (1, -1):
                if layer.padding[axis] + by >= 0:
                    padding = put(layer.padding, axis, layer.padding[axis] + by)
                    place = f"padding {padding[axis]} on axis {axis}"
                    yield FaultKind.OFF_BY_ONE, place, dataclasses.replace(layer, padding=padding)
        if isinstance(layer, ConvTranspose) and layer.output_padding[axis]:
            less = put(layer.output_padding, axis, layer.output_padding[axis] - 1)
            yield (
                FaultKind.OFF_BY_ONE,
                f"output_padding on axis {axis}",
                dataclasses.replace(layer, output_padding=less),
            )
    if isinstance(layer, Conv) and layer.padding_mode != "zeros" and any(map(any, layer.pads)):
        yield FaultKind.SETTING, "padding_mode", dataclasses.replace(layer, padding_mode="zeros")
    if layer.padding == "same" and any(map(any, layer.pads)):
        before = tuple(pad for pad, _ in layer.pads)
        yield FaultKind.OFF_BY_ONE, "the first pad of 'same' on both sides", dataclasses.replace(layer, padding=before)


def relaid(layer: Layer, shape: Shape) -> Others:
    """Yield layers that move entries as a layer does, but for two axes that are swapped where they arrive."""
    pattern, known = as_pattern(layer, shape)
    sizes = pattern.sizes(shape, known)
    axes = [axis for group in pattern.target for axis in group if sizes[axis] > 1]
    for a, b in combinations(axes, 2):
        other = {a: b, b: a}
        target = tuple(tuple(other.get(axis, axis) for axis in group) for group in pattern.target)
        wrong = Pattern(pattern.source, target)
        if wrong.shape(shape, sizes) == layer.output_shape(shape):
            kind = FaultKind.CHANNELS if "c" in other else FaultKind.PATCH_AXES
            yield kind, f"as '{wrong}'", parse_layer({"op": "rearrange", "pattern": str(wrong), **sizes})


def put(values: Shape, axis: int, value: int) -> Shape:
    """Return values with another one for an axis."""
    return tuple(value if number == axis else each for number, each in enumerate(values))
