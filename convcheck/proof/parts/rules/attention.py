"""Softmaxes, as exponentials and what they add up to, and attention as two products around one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from convcheck.proof.parts.fields import UNKNOWN, Field, Numbers, Whole, lifted
from convcheck.proof.parts.rules.arithmetic import scaled


def softmax(field: Field, x: Numbers, dim: int, *, safe: bool = False) -> Numbers:
    """Return the softmax; where all is hidden it is no number, or zeros if it is `safe`."""
    field.cut("softmax")
    powers = field.function("exp", x)
    shares = field.divide(powers, field.sum(powers, [dim], keep=True))

    def blind(one: Tensor, scores: Tensor) -> Tensor:
        return one.masked_fill((scores == -math.inf).all(dim, keepdim=True), 0.0 if safe else math.nan)

    result: Numbers = field.run(blind, (shares, x), shares.degree, lambda one, _: one, adds=True)
    return result


def _softmax(field: Field, given: Any) -> Any:
    return softmax(field, given["self"], given["dim"])


def _log_softmax(field: Field, given: Any) -> Any:
    x, dim = given["self"], given["dim"]
    field.cut("softmax")
    total = field.sum(field.function("exp", x), [dim], keep=True)
    return field.subtract(x, field.function("log", total))


def _log_of_sum(field: Field, given: Any) -> Any:
    field.cut("softmax")
    powers = field.function("exp", given["self"])
    return field.function("log", field.sum(powers, list(given["dim"]), keep=bool(given.get("keepdim"))))


def hidden(field: Field, scores: Numbers, mask: Any) -> Numbers:
    """Hide scores by minus infinity where a mask is False."""

    def hide(one: Tensor, visible: Tensor) -> Tensor:
        return one.masked_fill(~visible, -math.inf)

    result: Numbers = field.run(hide, (scores, mask), scores.degree, lambda one, _: one, adds=True)
    return result


def _attention(field: Field, given: Any) -> Any:
    query, key, value = (lifted(field, given[name]) for name in ("query", "key", "value"))
    if given.get("enable_gqa"):
        key, value = (
            field.linear(lambda one, times=query.shape[-3] // x.shape[-3]: one.repeat_interleave(times, -3), x)
            for x in (key, value)
        )
    scale = given.get("scale")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = scaled(field, field.product(lambda q, k: q @ k.mT, query, key), scale)
    mask = given.get("attn_mask")
    if given.get("is_causal"):
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is not None:
        is_mask = isinstance(mask, Whole) or (isinstance(mask, Tensor) and mask.dtype == torch.bool)
        scores = hidden(field, scores, mask) if is_mask else field.add(scores, lifted(field, mask))
    return field.product(torch.matmul, softmax(field, scores, -1, safe=True), value)


def _attention_on_the_cpu(field: Field, given: Any) -> Any:
    return _attention(field, given), UNKNOWN


RULES = {
    **dict.fromkeys(["softmax", "_softmax"], _softmax),
    "_safe_softmax": lambda field, given: softmax(field, given["self"], given["dim"], safe=True),
    **dict.fromkeys(["log_softmax", "_log_softmax"], _log_softmax),
    "logsumexp": _log_of_sum,
    "scaled_dot_product_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention_on_the_cpu,
}
