"""Operators that only move entries: the errors move with the values, and nothing is rounded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convcheck.rounding.running_error import Computed
from convcheck.tracing.errors.call import Call, Rule, constant, errors, values

OPERATORS = """
    alias alias_copy as_strided as_strided_copy cat channel_shuffle clone contiguous copy detach detach_copy diagonal
    diagonal_copy diag_embed embedding expand expand_copy flip gather im2col index index_select lift_fresh_copy movedim
    narrow native_channel_shuffle permute permute_copy pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d
    reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape roll rot90
    select select_copy select_scatter slice slice_copy slice_scatter split split_copy split_with_sizes
    split_with_sizes_copy squeeze squeeze_copy stack t t_copy take take_along_dim transpose transpose_copy tril triu
    unbind unbind_copy unfold unfold_copy unsqueeze unsqueeze_copy upsample_nearest1d upsample_nearest2d
    upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d view view_copy
    reshape _unsafe_view _reshape_alias _unsafe_index
"""


def moved(call: Call, *arguments: Any, **keywords: Any) -> Any:
    """Move values, and errors in the same way."""
    value = call.operator(*values(arguments), **values(keywords))
    error = call.operator(*errors(arguments), **errors(keywords))
    if isinstance(value, Tensor):
        return Computed(value, error)
    return tuple(map(Computed, value, error))


def padded(call: Call, x: Computed, pad: Any, value: float = 0.0) -> Computed:
    """Surround by a number of the code."""
    border = constant(torch.tensor(value, dtype=torch.float64), call.unit)
    return Computed(call.operator(x.value, pad, value), call.operator(x.error, pad, float(border.error)))


def padded_by(call: Call, x: Computed, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Surround by a number, or by what is there."""
    if mode == "constant":
        return padded(Call(torch.ops.aten.constant_pad_nd.default, call.unit), x, pad, value or 0.0)
    return moved(call, x, pad, mode)


def put(call: Call, x: Computed, indices: Any, source: Computed, accumulate: bool = False) -> Computed:
    """Overwrite entries, or add to them: the sum may be stored after every addition, as when windows are folded."""
    value = call.operator(x.value, indices, source.value, accumulate)
    error = call.operator(x.error, indices, source.error, accumulate)
    if not accumulate:
        return Computed(value, error)
    size = call.operator(x.size(), indices, source.size(), True)
    times = call.operator(torch.zeros_like(x.value), indices, torch.ones_like(source.value), True)
    return Computed(value, error + times * (call.unit.output * size + call.unit.underflow))


RULES: dict[str, Rule] = {
    **dict.fromkeys(OPERATORS.split(), moved),
    "constant_pad_nd": padded,
    "pad": padded_by,
    "index_put": put,
    "_unsafe_index_put": put,
}
