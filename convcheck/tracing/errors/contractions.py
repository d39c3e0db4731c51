"""Convolutions and matrix products; see `sums` for the formula."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convcheck.rounding.running_error import Computed, stored
from convcheck.tracing.errors.arithmetic import multiplied
from convcheck.tracing.errors.call import Call, Rule
from convcheck.tracing.errors.sums import contracted


def matrix_product(call: Call, a: Computed, b: Computed) -> Computed:
    return contracted(torch.matmul, a, b, None, a.value.shape[-1], call.unit)


def matrix_sum(call: Call, c: Computed, a: Computed, b: Computed, *, beta: float = 1, alpha: float = 1) -> Computed:
    """`beta c + alpha a @ b`, where the products may be stored before they are scaled."""
    bias = c if beta == 1 else multiplied(call, c, beta)
    if alpha == 1:
        return contracted(torch.matmul, a, b, bias, a.value.shape[-1], call.unit)
    product = multiplied(call, matrix_product(call, a, b), alpha)
    return stored(Computed(product.value + bias.value, product.error + bias.error), call.unit)


def linear(call: Call, x: Computed, weight: Computed, bias: Computed | None = None) -> Computed:
    return contracted(torch.nn.functional.linear, x, weight, bias, x.value.shape[-1], call.unit)


def convolution(
    call: Call,
    x: Computed,
    weight: Computed,
    bias: Computed | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Computed:
    """Convolve; a transposed convolution may store the parts of overlapping windows, and add them up one by one."""
    settings = (stride, padding, dilation, transposed, output_padding, groups)

    def convolve(a: Tensor, b: Tensor) -> Tensor:
        result: Tensor = torch.ops.aten.convolution.default(a, b, None, *settings)
        return result

    space = weight.value.shape[2:]
    if transposed:
        # Taps whose places agree modulo the stride meet in one output.
        cycles = [s // math.gcd(d, s) for s, d in _pairs(stride, dilation, len(space))]
        overlaps = math.prod(-(-k // cycle) for k, cycle in zip(space, cycles, strict=True))
        terms, overlaps = weight.value.shape[0] // groups * overlaps, overlaps + 1
    else:
        terms, overlaps = weight.value.shape[1:].numel(), 0
    if bias is not None:
        bias = bias.mapped(lambda entries: entries.reshape(-1, *(1 for _ in space)))
    return contracted(convolve, x, weight, bias, terms, call.unit, overlaps)


def _pairs(stride: Sequence[int], dilation: Sequence[int], rank: int) -> list[tuple[int, int]]:
    return [(stride[axis % len(stride)], dilation[axis % len(dilation)]) for axis in range(rank)]


RULES: dict[str, Rule] = {
    **dict.fromkeys(("mm", "bmm", "matmul", "mv", "dot"), matrix_product),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), matrix_sum),
    "linear": linear,
    "convolution": convolution,
    "_convolution": lambda call, *arguments: convolution(call, *arguments[:9]),
}
