"""From the description of a layer to the torch module. The one file of this folder that imports torch."""

from __future__ import annotations

from torch import nn

from convcheck.layers.base import Layer


def build(layer: Layer) -> nn.Module:
    """Return the torch module that `layer` describes, with torch's own initialisation."""
    constructor = getattr(nn, layer.kind)
    module = constructor(**layer.arguments())
    assert isinstance(module, nn.Module)
    return module
