"""A matrix product, and so a Linear, is a broadcast product, summed over the axis that both sides share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from convcheck.layers import Linear, MatMul, Roundings
from convcheck.patterns import Shape
from convcheck.rewrite import Recipe, Refusal, Rewrite

if TYPE_CHECKING:
    from torch import Tensor, nn

BYTES_AT_ONCE = 2**26
"""Bytes of products that are in memory at once, if one row's are no more. Much smaller blocks would stay with the
allocator, in pieces, where large ones go back to the system."""


def summed(left: Tensor, right: Tensor) -> Tensor:
    """Return `sum over n of left[b, m, n, 1] * right[b, 1, n, p]`, some batches, or some rows of one, at a time."""
    import torch

    row = right[0].numel() * right.element_size()
    batches, rows = max(1, BYTES_AT_ONCE // (row * left.shape[1])), max(1, AT_ONCE // row)
    return torch.cat(
        [
            torch.cat([(some[:, :, :, None] * b[:, None]).sum(2) for some in torch.split(a, rows, 1)], 1)
            for a, b in zip(torch.split(left, batches), torch.split(right, batches), strict=True)
        ]
    )


def refusals(layer: Linear | MatMul, *shapes: Shape) -> Iterator[Refusal]:
    yield from ()


def candidate(layer: Linear | MatMul, *shapes: Shape) -> nn.Module:
    import torch
    from torch import nn

    if isinstance(layer, MatMul):
        left, right, leading, (rows, shared, columns) = layer.as_matrices(*shapes)
        output = layer.output_shape(*shapes)

        class BroadcastProduct(nn.Module):
            def forward(self, a: Tensor, b: Tensor) -> Tensor:
                a, b = (
                    a.reshape(left).expand(*leading, rows, shared),
                    b.reshape(right).expand(*leading, shared, columns),
                )
                y = summed(a.reshape(-1, rows, shared), b.reshape(-1, shared, columns))
                return y.reshape(output)

        return BroadcastProduct()

    linear = layer

    class BroadcastSum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(linear.in_features, linear.out_features))
            self.bias = nn.Parameter(torch.empty(linear.out_features)) if linear.bias else None

        def forward(self, x: Tensor) -> Tensor:
            # All tokens are the rows of one matrix.
            y = summed(x.reshape(1, -1, linear.in_features), self.weight[None])[0]
            if self.bias is not None:
                y = y + self.bias
            return y.reshape(*x.shape[:-1], linear.out_features)

    return BroadcastSum()


def weights(layer: Linear | MatMul, *shapes: Shape) -> Mapping[str, Recipe]:
    return {
        "weight": ("weight", "o i -> i o"),
        "bias": ("bias", "o -> o"),
    }


REWRITE = Rewrite(
    claim=__doc__,
    reference="Linear, matmul(), bmm() or mm()",
    holds_when="always",
    formula="y[m, p] = sum over n of (a[m, n, 1] * b[1, n, p]); a Linear has b = W^T, and its bias is added",
    source="torch.matmul and torch.nn.Linear, whose definitions this writes out",
    families=(Linear, MatMul),
    example="Linear(64, 32)",
    refusals=refusals,
    candidate=candidate,
    weights=weights,
    # Every product is stored in the dtype, which errs by no more than one partial sum would; then their sum is.
    pace=40,
    roundings=lambda layer: Roundings(2, bias_apart=isinstance(layer, Linear) and layer.bias),
)
