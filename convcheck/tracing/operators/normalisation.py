"""Batch normalisation by running statistics: the root of a variance and eps counts as a variable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convcheck.tracing.reading import VARIABLE, Call, Known, NotPolynomial, Operator, multiplied, summed


def _normalised(call: Call) -> Known:
    """Read `(x - mean) / sqrt(var + eps) * weight + bias`."""
    if call["training"]:
        raise NotPolynomial("divides by the variance of the batch itself")
    if call.known("running_var").variance is None:
        raise NotPolynomial("takes a root of what is no running variance")
    factors = [summed(call.known("input"), call.known("running_mean")), VARIABLE]
    if call["weight"] is not None:
        factors.append(call.known("weight"))
    return summed(multiplied(*factors), call.known("bias"))


def _absolute(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    *options: Any,
    **more: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    eps = more["eps"] if "eps" in more else options[-1]
    shape = (1, -1, *[1] * (input.dim() - 2))
    result = (input + running_mean.view(shape)) * torch.rsqrt(running_var + eps).view(shape)
    if weight is not None:
        result = result * weight.view(shape)
    return (result if bias is None else result + bias.view(shape)), running_mean, running_var


OPERATORS = {"_native_batch_norm_legit_no_training": Operator(_normalised, _absolute)}
