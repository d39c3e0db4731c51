"""Preconditions that several rewrites share, and their refusals. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from convcheck.layers import Conv, ConvTranspose
from convcheck.rewriting.rewrite import Refusal
from convcheck.sizes.patterns import Shape


def windows_tile(conv: Conv, _shape: Shape) -> Iterator[Refusal]:
    """Refuse a convolution whose windows are not a tiling: no overlap, no gap, no hole, no padding."""
    yield from _kernel_is_stride(conv, "windows")
    if is_padded(conv):
        yield Refusal(
            "padding", written_padding(conv), "needs to be 0", "padding shifts every window off the patch grid"
        )
    yield from no_holes(conv, _shape)


def spreads_tile(conv: ConvTranspose, _shape: Shape) -> Iterator[Refusal]:
    """Refuse a transposed convolution whose spread kernels are not a tiling of the whole output."""
    yield from _kernel_is_stride(conv, "patches")
    if any(conv.padding):
        yield Refusal("padding", conv.padding, "needs to be 0", "padding cuts patches at the border")
    if any(conv.output_padding):
        yield Refusal("output_padding", conv.output_padding, "needs to be 0", "no patch covers what it adds")
    yield from no_holes(conv, _shape)


def _kernel_is_stride(conv: Conv | ConvTranspose, tiles: str) -> Iterator[Refusal]:
    if conv.kernel_size != conv.stride:
        what = "overlap" if any(k > s for k, s in zip(conv.kernel_size, conv.stride, strict=True)) else "leave gaps"
        yield Refusal("kernel_size", conv.kernel_size, f"needs to equal stride, {conv.stride}", f"{tiles} {what}")


def no_holes(conv: Conv | ConvTranspose, _shape: Shape) -> Iterator[Refusal]:
    """Refuse dilation, except along axes where the kernel has one tap and nothing to spread."""
    if has_holes(conv):
        yield Refusal("dilation", conv.dilation, "needs to be 1", "a dilated kernel is no contiguous patch")


def ungrouped(conv: Conv | ConvTranspose, _shape: Shape) -> Iterator[Refusal]:
    """Refuse groups: one matrix product mixes all channels."""
    if conv.groups != 1:
        yield Refusal("groups", conv.groups, "needs to be 1", "one Linear mixes all channels")


def grouped(conv: Conv | ConvTranspose, _shape: Shape) -> Iterator[Refusal]:
    """Refuse a layer of one group, of which a rewrite for several would be a copy."""
    if conv.groups == 1:
        yield Refusal("groups", 1, "there is nothing to rewrite", "all channels are in it", vacuous=True)


def dilated(conv: Conv, _shape: Shape) -> Iterator[Refusal]:
    """Refuse a layer without dilation, of which a rewrite for dilated ones would be a copy."""
    if set(conv.dilation) == {1}:
        yield Refusal("dilation", conv.dilation, "there is nothing to rewrite", "no axis is dilated", vacuous=True)


def temporal(conv: Conv, _shape: Shape) -> Iterator[Refusal]:
    """Refuse a convolution of fewer axes than a video has."""
    if conv.dims != 3:
        yield Refusal("layer", conv.kind, "needs to be Conv3d", "the others have no time", vacuous=True)


def is_padded(conv: Conv) -> bool:
    """Tell whether any axis is padded, on either side."""
    return any(pad for pads in conv.pads for pad in pads)


def has_holes(conv: Conv | ConvTranspose) -> bool:
    """Tell whether the kernel skips positions: it is dilated along an axis with more than one tap."""
    return any(d != 1 and k != 1 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))


def is_pointwise(conv: Conv) -> bool:
    """Tell whether a convolution has one tap along every axis and no padding."""
    return set(conv.kernel_size) == {1} and not is_padded(conv)


def written_padding(conv: Conv) -> object:
    """Return the padding as a user writes it: `(1, 1)` or `'same'`."""
    return repr(conv.padding) if isinstance(conv.padding, str) else conv.padding
