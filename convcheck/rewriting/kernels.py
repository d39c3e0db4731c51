"""The extent of a dilated kernel, and its taps by phase of the stride. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable

from convcheck.layers import Conv, ConvTranspose
from convcheck.sizes.patterns import Shape
from convcheck.sizes.windows import span


def dilated_size(conv: Conv | ConvTranspose) -> Shape:
    """Return how many positions the dilated kernel spans along every axis."""
    return tuple(span(k, d) for k, d in zip(conv.kernel_size, conv.dilation, strict=True))


def phase_taps(conv: Conv | ConvTranspose) -> Shape:
    """Return how many taps a phase has at most along every axis: `ceil(kernel / stride)`.

    That is also how many blocks of one stride the kernel spans.
    """
    return tuple(math.ceil(k / s) for k, s in zip(conv.kernel_size, conv.stride, strict=True))


def dealt_to_phases(conv: Conv | ConvTranspose, axes: str, pattern: str) -> str:
    """Return the template by which a kernel is filled up to whole strides with zeros, then dealt out by `pattern`.

    `axes` is the template of the weight's axes.
    """
    lengths = zip(phases(conv).items(), phase_taps(conv), conv.kernel_size, strict=True)
    zeros = [(axis, taps * step - length) for (axis, step), taps, length in lengths]
    pads = [f"pad {axis} 0 {more}" for axis, more in zeros if more]
    return " | ".join([*([f"{axes} -> {axes}"] if pads else []), *pads, with_phases(conv, pattern)])


def with_phases(conv: Conv | ConvTranspose, pattern: str) -> str:
    """Return the template of a pattern in which the kernel's axes are as long as a stride."""
    return ", ".join([pattern, *(f"{axis}={step}" for axis, step in phases(conv).items())])


def flips(axes: Iterable[str]) -> str:
    """Return the steps, behind a pattern, that flip some axes."""
    return "".join(f" | flip {axis}" for axis in axes)


def phases(conv: Conv | ConvTranspose) -> dict[str, int]:
    """Return the stride along every axis, by the names of the kernel's axes in patterns."""
    return dict(zip(conv.kernel_axes(), conv.stride, strict=True))
