"""Axes of a module's weights are called as those of the layers that it is made of."""

from __future__ import annotations

import pytest
from torch import nn

import convcheck
from convcheck.layers import parse_layer
from convcheck.modules.build import build
from convcheck.user_code.user_module import UserModule

LAYERS = ["Linear(4, 6)"]
LAYERS += [f"{kind}{dims}d(4, 6, 2)" for kind in ("Conv", "ConvTranspose") for dims in (1, 2, 3)]


@pytest.mark.parametrize("text", LAYERS)
def test_a_weight_has_the_axes_of_the_layer_that_holds_it(text: str) -> None:
    layer = parse_layer(text)
    module = nn.Sequential(nn.Sequential(build(layer)))
    ours = UserModule("Sequential", module, "Sequential()")
    assert [ours.parameter_axes(f"0.0.{name}") for name in layer.parameters()] == [
        layer.parameter_axes(name) for name in layer.parameters()
    ]


class Up(nn.Module):
    """A transposed convolution on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(5, 3, 2, stride=2)

    def forward(self, x: object) -> object:
        return self.up(x)


def test_a_map_of_a_transposed_convolution_has_its_input_first() -> None:
    unpatch = "rearrange('b h w (p q c) -> b c (h p) (w q)', p=2, q=2)"
    candidate = f"Sequential(rearrange('b c h w -> b h w c'), Linear(5, 12), {unpatch})"
    result = convcheck.verify(Up(), [2, 5, 3, 4], candidate=candidate)
    assert result.verdict == "equal"
    assert (result.map or {})["1.weight"] == "up.weight: i o kh kw -> (kh kw o) i"
