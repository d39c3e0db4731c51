"""Whether a probe could have told a wrong rewrite from the right one at all.

Some weaknesses are known from the layer's numbers: with one channel, or a patch of one position, several orders of axes
are one and the same. The others are measured: a gradient of a weight that stays what it is when two of its axes are
swapped, or one is flipped, would not have shown that they were; and what never meets an input is not tested.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

from torch import Tensor

from convcheck.layers import (
    Conv,
    ConvTranspose,
    Fold,
    Layer,
    MultiheadAttention,
    Patchify,
    PixelShuffle,
    PixelUnshuffle,
    Sequential,
    Unfold,
    Unpatchify,
)
from convcheck.results import Finding, Kind
from convcheck.sizes.patterns import KERNEL_AXES, Shapes


def weaknesses(layer: Layer, shapes: Shapes, output: Tensor, gradients: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Yield, as notes, what a case leaves untested.

    `output` is the reference's, on a probe, and `gradients` are those of its inputs and parameters, by name.
    """
    found = [*_of_kind(layer, shapes), *_of_output(output)]
    parameters = layer.parameters()
    for name, gradient in gradients.items():
        if name in parameters:
            found += _of_parameter(layer, name, gradient)
        elif not gradient.any() and output.any():
            # As the query and the key of one position, since a softmax over one score is 1.
            found.append(f"{name} makes no difference to any output")
    yield from map(_weak, found)


def symmetries(parameters: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Yield, as notes, weights whose inputs and outputs could be swapped without a difference.

    Integer probes draw weights of their own; this is for runs that rest on the weights that are there.
    """
    for name, each in parameters.items():
        if each.ndim > 1 and each.shape[0] == each.shape[1] > 1 and each.equal(each.transpose(0, 1)):
            yield _weak(f"{name} is symmetric, so its inputs and outputs could be swapped without a difference")


def _weak(text: str) -> Finding:
    return Finding(Kind.STRENGTH, text, weak=True)


def _of_kind(layer: Layer, shapes: Shapes, where: str = "") -> Iterator[str]:
    """Yield what the numbers of a layer, or of one in a chain, leave untested."""
    if isinstance(layer, Sequential):
        # Convolutions in a chain are merged, not laid out; a shuffle is.
        for number, (inner, shape) in enumerate(zip(layer.layers, layer.through(*shapes), strict=False)):
            if isinstance(inner, (PixelShuffle, PixelUnshuffle, Sequential)):
                yield from _of_kind(inner, (shape,), f"{where}{number} ({inner.kind}): ")
        return
    channels, patch = _channels_and_patch(layer, shapes)
    # With one channel the kernel's axes may still be in a wrong order, but channels cannot be on the wrong side.
    if channels == 1 and patch > 1:
        yield f"{where}one channel, so a patch with channels first and one with channels last are the same"
    if patch == 1:
        yield f"{where}patch 1, so there is no patch order to get wrong"
    if isinstance(layer, MultiheadAttention) and 1 in (layer.num_heads, layer.embed_dim // layer.num_heads):
        yield f"{where}one head, or heads of one feature, so heads and features cannot be mixed up"


def _channels_and_patch(layer: Layer, shapes: Shapes) -> tuple[int, int]:
    """Return how many channels stand beside a patch, and how many positions it has; zeros where there is no patch."""
    if isinstance(layer, (Conv, ConvTranspose)):
        return layer.parameters()["weight"][1], math.prod(layer.kernel_size)
    if isinstance(layer, Patchify):
        return layer.in_features, math.prod(layer.patch)
    if isinstance(layer, Unpatchify):
        return layer.out_features, math.prod(layer.patch)
    if isinstance(layer, PixelShuffle):
        return shapes[0][-3] // layer.upscale_factor**2, layer.upscale_factor**2
    if isinstance(layer, PixelUnshuffle):
        return shapes[0][-3], layer.downscale_factor**2
    if isinstance(layer, Unfold):
        return shapes[0][-3], layer.taps
    if isinstance(layer, Fold):
        return shapes[0][-2] // layer.taps, layer.taps
    return 0, 0


def _of_output(output: Tensor) -> Iterator[str]:
    if not output.any():
        yield "all outputs are zero"
    elif output.numel() > 1 and bool((output == output.flatten()[0]).all()):
        yield "all outputs are the same number"


def _of_parameter(layer: Layer, name: str, gradient: Tensor) -> Iterator[str]:
    axes = _axes(layer, gradient.ndim)
    never = int((gradient == 0).sum())
    if never:
        what = "none" if never == gradient.numel() else f"only {gradient.numel() - never}"
        yield f"{what} of {gradient.numel()} entries of {name} ever meet an input; a larger one would test the others"
        return
    for first, second in itertools.combinations(range(gradient.ndim), 2):
        if gradient.shape[first] == gradient.shape[second] > 1 and gradient.equal(gradient.transpose(first, second)):
            yield f"{axes[first]} and {axes[second]} of {name} could be swapped without a difference"
    for axis in range(gradient.ndim):
        if gradient.shape[axis] > 1 and gradient.equal(gradient.flip(axis)):
            yield f"{name} could be flipped along {axes[axis]} without a difference"


def _axes(layer: Layer, ndim: int) -> tuple[str, ...]:
    """Return what the axes of a parameter are called."""
    kernel = KERNEL_AXES[layer.dims]
    outer = ("i", "o") if isinstance(layer, ConvTranspose) else ("o", "i")
    if ndim == len(kernel) + 2:
        return (*outer, *kernel)
    return tuple(f"axis {axis}" for axis in range(ndim))
