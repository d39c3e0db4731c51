"""From the description of a layer to the torch module."""

from __future__ import annotations

import torch
from torch import nn

from convcheck import patchify
from convcheck.layers import Layer, MatMul, Patchify, Rearrange, Sequential, Unpatchify


class Operation(nn.Module):
    """A function of torch as a module, so that it is run as layers are."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = getattr(torch, self.name)(*inputs)
        return output

    def extra_repr(self) -> str:
        return self.name


def build(layer: Layer, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return the torch module that `layer` describes, with torch's own initialisation in `dtype`."""
    if isinstance(layer, Sequential):
        return nn.Sequential(*(build(each, dtype) for each in layer.layers))
    if isinstance(layer, (Patchify, Unpatchify)):
        patches: type[nn.Module] = getattr(patchify, layer.kind)
        return patches(**layer.arguments(), dtype=dtype)
    if isinstance(layer, MatMul):
        return Operation(layer.kind)
    if isinstance(layer, Rearrange):
        from einops.layers import torch as einops

        return einops.Rearrange(layer.pattern, **dict(layer.lengths))
    constructor = getattr(nn, layer.kind)
    # Layers that hold no numbers have no dtype.
    own = {"dtype": dtype} if layer.parameters() or layer.statistics() else {}
    module = constructor(**layer.arguments(), **own)
    assert isinstance(module, nn.Module)
    return module
