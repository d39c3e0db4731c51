"""Whether a probe could have told a wrong rewrite from the right one at all."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from convcheck.layers import Conv, ConvTranspose, Layer


def weaknesses(layer: Layer, output: Tensor) -> Iterator[str]:
    """Yield, as notes, what this case leaves untested. `output` is the reference's, on an integer probe."""
    if isinstance(layer, (Conv, ConvTranspose)):
        patch = math.prod(layer.kernel_size)
        # With one channel the kernel's axes may still be in a wrong order, but channels cannot be on the wrong side.
        weight = layer.parameters()["weight"]
        if weight[1] == 1 and patch > 1:
            yield "weak: one channel, so a patch with channels first and one with channels last are the same"
        if patch == 1:
            yield "weak: patch 1, so there is no patch order to get wrong"
    if not output.any():
        yield "weak: all outputs are zero"
    elif output.numel() > 1 and bool((output == output.flatten()[0]).all()):
        yield "weak: all outputs are the same number"
