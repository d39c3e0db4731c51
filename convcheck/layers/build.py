"""From the description of a layer to the torch module. The one file of this folder that imports torch."""

from __future__ import annotations

import torch
from torch import nn

from convcheck.layers.base import Layer


def build(layer: Layer, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return the torch module that `layer` describes, with torch's own initialisation in `dtype`."""
    constructor = getattr(nn, layer.kind)
    # Only where there are numbers to keep does torch ask for their dtype.
    own = {"dtype": dtype} if layer.parameters() or layer.statistics() else {}
    module = constructor(**layer.arguments(), **own)
    assert isinstance(module, nn.Module)
    return module
