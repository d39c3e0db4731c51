"""A Linear is a 1x1 convolution over all its tokens, channels first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcheck.layers import Linear
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def candidate(linear: Linear, shape: Shape) -> nn.Module:
    from torch import Tensor, nn

    class LinearAsConv1x1(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(linear.in_features, linear.out_features, 1, bias=linear.bias)

        def forward(self, x: Tensor) -> Tensor:
            # Any number of leading axes, even none, is one axis of positions: [*, i] -> [i, n].
            positions = x.reshape(-1, x.shape[-1]).T
            y: Tensor = self.conv(positions)
            return y.T.reshape(*x.shape[:-1], y.shape[0])

    return LinearAsConv1x1()


REWRITE = Rewrite(
    claim=__doc__,
    summary="1x1 convolution over tokens, channels first",
    reference="Linear",
    holds_when="always",
    formula="y[o, n] = b[o] + sum over i of W[o, i, 0] * x[i, n], with n over all leading axes",
    derivation=(
        "A kernel of one tap has no sum over positions. What is left at every position is the Linear's sum over i."
    ),
    source="M. Lin et al., Network In Network, 2013, section 3.2",
    families=(Linear,),
    example="Linear(768, 3072)",
    candidate=candidate,
    weights={"conv.weight": ("weight", "o i -> o i 1"), "conv.bias": ("bias", "o -> o")},
)
