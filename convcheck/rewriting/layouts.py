"""Layers that only move numbers, as einops patterns. Imports no torch."""

from __future__ import annotations

from convcheck.layers import Flatten, Layer, PixelShuffle, PixelUnshuffle, Rearrange, Unflatten
from convcheck.sizes.patterns import Pattern, Shape, parse

LAYOUTS: tuple[type[Layer], ...] = (Flatten, PixelShuffle, PixelUnshuffle, Rearrange, Unflatten)


def as_pattern(layer: Layer, shape: Shape) -> tuple[Pattern, dict[str, int]]:
    """Return a layer of LAYOUTS as a pattern for an input of `shape`, and the lengths of axes that the layer gives.

    Raises:
        ShapeError: the layer cannot take an input of this shape.
    """
    output = layer.output_shape(shape)
    known: dict[str, int] = {}
    if isinstance(layer, Rearrange):
        pattern, known = layer.for_rank(len(shape)), dict(layer.lengths)
    elif isinstance(layer, (PixelShuffle, PixelUnshuffle)):
        # PixelShuffle is channel-major: the sub-pixels of one channel stand together.
        batch = " ".join(f"b{number}" for number in range(len(shape) - 3))
        deep, wide = f"{batch} (c ph pw) h w", f"{batch} c (h ph) (w pw)"
        shuffles = isinstance(layer, PixelShuffle)
        factor = layer.upscale_factor if isinstance(layer, PixelShuffle) else layer.downscale_factor
        pattern = parse(f"{deep} -> {wide}" if shuffles else f"{wide} -> {deep}")
        known = {"ph": factor, "pw": factor}
    else:
        assert isinstance(layer, (Flatten, Unflatten))
        # Flatten joins axes, and Unflatten splits one: the longer of both shapes has the axes one by one.
        many = max(shape, output, key=len)
        axes = [f"a{number}" for number in range(len(many))]
        start = (layer.dim if isinstance(layer, Unflatten) else layer.start_dim) % len(shape)
        joined = abs(len(shape) - len(output)) + 1
        few = [*axes[:start], f"({' '.join(axes[start : start + joined])})", *axes[start + joined :]]
        source, target = (axes, few) if len(shape) >= len(output) else (few, axes)
        pattern = parse(f"{' '.join(source)} -> {' '.join(target)}")
        if isinstance(layer, Unflatten):
            split = zip(axes[start:], layer.unflattened_size, strict=False)
            known = {axis: length for axis, length in split if length != -1}
    return pattern, known
