"""A Linear is a broadcast product, summed over the input features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from convcheck.layers import Linear, Roundings
from convcheck.patterns import Shape
from convcheck.rewrite import Recipe, Refusal, Rewrite

if TYPE_CHECKING:
    from torch import nn

BYTES_AT_ONCE = 2**26
"""Products of at most 64 MiB, or one token's, are in memory at once.

More than half of that is used where there are enough tokens: glibc hands blocks of over 32 MiB back at once, while
smaller ones leave holes that add up.
"""


def refusals(linear: Linear, shape: Shape) -> Iterator[Refusal]:
    yield from ()


def candidate(linear: Linear, shape: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn

    class BroadcastSum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(linear.in_features, linear.out_features))
            self.bias = nn.Parameter(torch.empty(linear.out_features)) if linear.bias else None

        def forward(self, x: Tensor) -> Tensor:
            tokens_at_once = max(1, BYTES_AT_ONCE // (self.weight.numel() * x.element_size()))
            chunks = torch.split(x.reshape(-1, linear.in_features), tokens_at_once)
            # [b, i, 1] * [1, i, o], summed over i
            y = torch.cat([(tokens[:, :, None] * self.weight[None]).sum(1) for tokens in chunks])
            if self.bias is not None:
                y = y + self.bias
            return y.reshape(*x.shape[:-1], linear.out_features)

    return BroadcastSum()


def weights(linear: Linear, shape: Shape) -> Mapping[str, Recipe]:
    return {
        "weight": ("weight", "o i -> i o"),
        "bias": ("bias", "o -> o"),
    }


REWRITE = Rewrite(
    claim=__doc__,
    reference="Linear",
    holds_when="always",
    formula="y[b, o] = c[o] + sum over i of (x[b, i, 1] * W[1, i, o]), c being the bias",
    source="torch.nn.Linear, whose definition y = x A^T + b this writes out",
    families=(Linear,),
    example="Linear(64, 32)",
    refusals=refusals,
    candidate=candidate,
    weights=weights,
    # Every product is stored in the dtype, which errs by no more than one partial sum would; then their sum is.
    pace=40,
    roundings=lambda linear: Roundings(2, bias_apart=linear.bias),
)
