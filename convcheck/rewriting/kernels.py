"""The extent of a dilated kernel, and its taps by phase of the stride. Imports no torch."""

from __future__ import annotations

import math

from convcheck.layers import Conv, ConvTranspose
from convcheck.sizes.patterns import Shape
from convcheck.sizes.windows import span


def dilated_size(conv: Conv) -> Shape:
    """Return how many positions the dilated kernel spans along every axis."""
    return tuple(span(k, d) for k, d in zip(conv.kernel_size, conv.dilation, strict=True))


def phase_taps(conv: Conv | ConvTranspose) -> Shape:
    """Return how many taps a phase has at most along every axis: `ceil(kernel / stride)`.

    That is also how many blocks of one stride the kernel spans.
    """
    return tuple(math.ceil(k / s) for k, s in zip(conv.kernel_size, conv.stride, strict=True))


def phases(conv: Conv | ConvTranspose) -> dict[str, int]:
    """Return the stride along every axis, by the names of the kernel's axes in patterns."""
    return dict(zip(conv.kernel_axes(), conv.stride, strict=True))
