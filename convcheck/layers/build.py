"""From the description of a layer to the torch module. The one file of this folder that imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from convcheck import operations
from convcheck.layers.base import Layer

_OURS: Mapping[str, Callable[..., nn.Module]] = {
    "MultiheadAttention": operations.AttentionOutput,
    "scaled_dot_product_attention": operations.ScaledDotProductAttention,
}


def build(layer: Layer, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return the torch module that `layer` describes, with torch's own initialisation in `dtype`."""
    constructor = _OURS.get(layer.kind) or getattr(nn, layer.kind)
    # What has no parameters has no dtype either.
    dtypes = {"dtype": dtype} if layer.parameters() else {}
    module = constructor(**layer.arguments(), **dtypes)
    assert isinstance(module, nn.Module)
    return module
