"""A matrix product, and so a Linear, is a broadcast product, summed over the axis that both sides share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from convcheck.layers import Linear, MatMul, Roundings
from convcheck.rewriting.halves import halvings_of_products
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn

BYTES_AT_ONCE = 2**26
"""So many bytes of products are in memory at once, or those of one output."""


def halvings(layer: Linear | MatMul, *shapes: Shape) -> tuple[int, int]:
    """Return how often outputs are halved, and how many products a part then has."""
    outputs = layer.output_shape(*shapes)
    terms = layer.macs(*shapes) // math.prod(outputs)
    if isinstance(layer, Linear):
        # All tokens are the rows of one matrix.
        outputs = (math.prod(outputs[:-1]), outputs[-1])
    return halvings_of_products(outputs, terms, BYTES_AT_ONCE)


def candidate(layer: Linear | MatMul, *shapes: Shape) -> nn.Module:
    import torch
    from torch import Tensor, nn

    from convcheck.modules.parts import dot_products, in_halves

    times, _ = halvings(layer, *shapes)

    if isinstance(layer, MatMul):
        one_row, one_column = (len(shape) == 1 for shape in shapes)

        class BroadcastProduct(nn.Module):
            def forward(self, a: Tensor, b: Tensor) -> Tensor:
                # A vector is a matrix of one row, or of one column.
                rows = a[None] if one_row else a
                columns = b[None] if one_column else b.mT
                y = in_halves(rows, columns, times) if times else dot_products(rows, columns)
                if one_row:
                    y = y[..., 0, :]
                if one_column:
                    y = y[..., 0]
                return y

        product: nn.Module = BroadcastProduct()
    else:
        linear = layer

        class BroadcastSum(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight = nn.Parameter(torch.empty(linear.out_features, linear.in_features))
                self.bias = nn.Parameter(torch.empty(linear.out_features)) if linear.bias else None

            def forward(self, x: Tensor) -> Tensor:
                # All tokens are the rows of one matrix: [b 1 i] * [1 o i], summed over i.
                rows = x.reshape(-1, x.shape[-1])
                y = in_halves(rows, self.weight, times) if times else dot_products(rows, self.weight)
                if self.bias is not None:
                    y = y + self.bias
                return y.reshape(*x.shape[:-1], y.shape[-1])

        product = BroadcastSum()
    return product


def intermediates(layer: Linear | MatMul, *shapes: Shape) -> int:
    """Count the products of a part: times the gradient, with either side."""
    _, products = halvings(layer, *shapes)
    return 2 * products


REWRITE = Rewrite(
    claim=__doc__,
    summary="a broadcast product, summed over the shared axis",
    reference="Linear, matmul(), bmm() or mm()",
    holds_when="always",
    formula="y[m, p] = sum over n of (a[m, 1, n] * b[1, p, n]), b being the transposed right side, or W of a Linear",
    derivation=(
        "The sum of a matrix product runs over the one axis that both sides have, and every product in it is an entry "
        "of the broadcast product."
    ),
    source="torch.matmul and torch.nn.Linear, whose definitions this writes out",
    families=(Linear, MatMul),
    example="Linear(64, 32)",
    candidate=candidate,
    weights={"weight": ("weight", "o i -> o i"), "bias": ("bias", "o -> o")},
    # Every product is stored in the dtype, which errs by no more than one partial sum would; then their sum is.
    intermediates=intermediates,
    relative_cost=40,
    roundings=lambda layer: Roundings(2, bias_apart=isinstance(layer, Linear) and layer.bias, products_apart=True),
)
