"""Whether a probe could have told a wrong rewrite from the right one at all."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from convcheck.layers import Conv, ConvTranspose, Layer


def weaknesses(layer: Layer, outputs: list[Tensor]) -> Iterator[str]:
    """Yield, as notes, what this case leaves untested. `outputs` are the reference's, on integer probes."""
    if isinstance(layer, (Conv, ConvTranspose)):
        patch = math.prod(layer.kernel_size)
        # A patch lies over the channels of a group and the kernel's axes: with one of the two, any order is right.
        weight = layer.parameters()["weight"]
        if weight[1] == 1 and patch > 1:
            yield "weak: one channel, so a patch with channels first and one with channels last are the same"
        if patch == 1:
            yield "weak: patch 1, so there is no patch order to get wrong"
    for output in outputs:
        if not output.any():
            yield "weak: all outputs are zero"
        elif output.numel() > 1 and bool((output == output.flatten()[0]).all()):
            yield "weak: all outputs are the same number"
