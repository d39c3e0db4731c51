"""From the description of a layer to the torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from convcheck.layers import Layer, MatMul, Rearrange, Sequential
from convcheck.modules import operations, patchify

_OURS: Mapping[str, Callable[..., nn.Module]] = {
    "MultiheadAttention": operations.AttentionOutput,
    "Patchify": patchify.Patchify,
    "Unpatchify": patchify.Unpatchify,
    "scaled_dot_product_attention": operations.ScaledDotProductAttention,
}


def build(layer: Layer, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return the torch module that `layer` describes, with torch's own initialisation in `dtype`."""
    if isinstance(layer, Sequential):
        return nn.Sequential(*(build(inner, dtype) for inner in layer.layers))
    if isinstance(layer, MatMul):
        return operations.Operation(layer.kind)
    if isinstance(layer, Rearrange):
        from einops.layers import torch as einops

        return einops.Rearrange(layer.pattern, **dict(layer.lengths))
    constructor = _OURS.get(layer.kind) or getattr(nn, layer.kind)
    # What holds no numbers has no dtype either.
    options = {"dtype": dtype} if layer.parameters() or layer.statistics() else {}
    module = constructor(**layer.arguments(), **options)
    assert isinstance(module, nn.Module)
    return module
