"""Modules of torch as users change them, and the check that a description computes the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import assume
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize, prune

from convcheck.errors import ShapeError
from convcheck.layers import Layer
from convcheck.modules.build import build
from convcheck.sides.read_weights import read_weights
from convcheck.sizes.patterns import Shapes


def inputs_for(layer: Layer, lengths: Shapes) -> list[Tensor]:
    masks = layer.boolean_inputs()
    return [torch.rand(shape) < 0.5 if number in masks else torch.randn(shape) for number, shape in enumerate(lengths)]


def tell(module: nn.Module) -> nn.Module:
    """Give running statistics numbers that leave a trace."""
    for name, buffer in module.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2)
    return module


@torch.no_grad()
def assert_described(module: nn.Module, inputs: list[Tensor], call: Callable[..., object] | None = None) -> Layer:
    """Check that the module's description, built anew and given the module's weights, has its very outputs."""
    found = read_weights(module)
    module.eval()
    due = (call or module)(*inputs)
    # torch multiplies by another kernel where a weight asks for a gradient, even if none is taken.
    weights = {name: each.requires_grad_(name in found.layer.parameters()) for name, each in found.tensors.items()}
    ours = functional_call(build(found.layer).eval(), weights, tuple(inputs))
    torch.testing.assert_close(ours, due, rtol=0, atol=0, equal_nan=True)
    return found.layer


def runnable(layer: Layer, lengths: Shapes) -> None:
    try:
        layer.output_shape(*lengths)
    except ShapeError:
        assume(False)


class Doubled(nn.Module):
    """A parametrization of a user's own."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class Counting(nn.Module):
    """A parametrization that keeps count of its calls in train mode."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, bias: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return bias + self.calls


def counted(module: nn.Module) -> nn.Module:
    parametrize.register_parametrization(module, "bias", Counting())
    return module


def old_weight_norm(module: nn.Module) -> nn.Module:
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.utils.weight_norm(module)
    with torch.no_grad():
        # What `weight` holds is old from here on.
        module.weight_g.mul_(3)  # type: ignore[operator,union-attr]
    return module


def old_spectral_norm(module: nn.Module) -> nn.Module:
    nn.utils.spectral_norm(module)
    with torch.no_grad():
        module.weight_orig[0].mul_(3)  # type: ignore[index,union-attr]
    return module


def pruned(module: nn.Module) -> nn.Module:
    prune.random_unstructured(module, "weight", amount=0.5)
    with torch.no_grad():
        module.weight_orig.mul_(3)  # type: ignore[operator,union-attr]
    return module


def registered(module: nn.Module) -> nn.Module:
    parametrize.register_parametrization(module, "weight", Doubled())
    parametrize.register_parametrization(module, "bias", Doubled())
    return module
