"""What several rewrites ask of a layer, and the words in which they refuse. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from convcheck.layers import Conv, ConvTranspose, Layer, Sequential
from convcheck.rewriting.rewrite import Refusal


def windows_tile(layer: Conv) -> Iterator[Refusal]:
    """Refuse a convolution whose windows are not a tiling: no overlap, no gap, no hole, no padding."""
    if layer.kernel_size != layer.stride:
        what = "overlap" if any(k > s for k, s in zip(layer.kernel_size, layer.stride, strict=True)) else "leave gaps"
        yield Refusal("kernel_size", layer.kernel_size, f"needs to equal stride, {layer.stride}: windows {what}")
    if any(pad for pads in layer.pads for pad in pads):
        yield Refusal(
            "padding",
            repr(layer.padding) if isinstance(layer.padding, str) else layer.padding,
            "needs to be 0: padding shifts every window off the patch grid",
        )
    yield from no_holes(layer)


def spreads_tile(layer: ConvTranspose) -> Iterator[Refusal]:
    """Refuse a transposed convolution whose spread kernels are not a tiling of the whole output."""
    if layer.kernel_size != layer.stride:
        what = "overlap" if any(k > s for k, s in zip(layer.kernel_size, layer.stride, strict=True)) else "leave gaps"
        yield Refusal("kernel_size", layer.kernel_size, f"needs to equal stride, {layer.stride}: patches {what}")
    if any(layer.padding):
        yield Refusal("padding", layer.padding, "needs to be 0: padding cuts patches at the border")
    if any(layer.output_padding):
        yield Refusal("output_padding", layer.output_padding, "needs to be 0: no patch covers what it adds")
    yield from no_holes(layer)


def no_holes(layer: Conv | ConvTranspose) -> Iterator[Refusal]:
    """Refuse dilation, except along axes where the kernel has one tap and nothing to spread."""
    if any(d != 1 and k != 1 for k, d in zip(layer.kernel_size, layer.dilation, strict=True)):
        yield Refusal("dilation", layer.dilation, "needs to be 1: a dilated kernel is no contiguous patch")


def ungrouped(layer: Conv | ConvTranspose) -> Iterator[Refusal]:
    """Refuse groups: one matrix product mixes all channels."""
    if layer.groups != 1:
        yield Refusal("groups", layer.groups, "needs to be 1: one Linear mixes all channels")


def dilated(layer: Conv) -> Iterator[Refusal]:
    """Refuse a layer without dilation, of which a rewrite for dilated ones would be a copy."""
    if set(layer.dilation) == {1}:
        yield Refusal("dilation", layer.dilation, "there is nothing to rewrite: no axis is dilated", vacuous=True)


def chained(chain: Sequential, first: tuple[type[Layer], ...], second: tuple[type[Layer], ...]) -> Iterator[Refusal]:
    """Refuse a chain that is not one layer of the first kinds, then one of the second."""
    layers = chain.layers
    if len(layers) == 2 and isinstance(layers[0], first) and isinstance(layers[1], second):
        return

    def names(families: tuple[type[Layer], ...]) -> str:
        return " or ".join(family.__name__ for family in families)

    kinds = ", then ".join(layer.kind for layer in layers)
    yield Refusal("chain", kinds, f"needs to be {names(first)}, then {names(second)}", vacuous=True)


def pointwise(conv: Conv) -> bool:
    """Tell whether a convolution has one tap along every axis and no padding."""
    return set(conv.kernel_size) == {1} and not any(pad for pads in conv.pads for pad in pads)
