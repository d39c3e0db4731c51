"""Interpolation between neighbours; the nearest is a movement."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from convcheck.rounding.running_error import Computed
from convcheck.tracing.errors.call import Call, Rule

_POOLS = {3: functional.max_pool1d, 4: functional.max_pool2d, 5: functional.max_pool3d}


def interpolated(call: Call, x: Computed, *settings: Any, **keywords: Any) -> Computed:
    """Average 2 neighbours an axis by their distances.

    A weight is a coordinate less a whole number: coordinates up to the length n of an axis are rounded in the
    accumulator, at most four times. The CPU stores the weights in the dtype, and the average after every axis. All are
    of the sizes of the neighbours.
    """
    axes, unit = x.value.ndim - 2, call.unit
    longest = max(x.value.shape[2:])
    sizes: Tensor = _POOLS[x.value.ndim](x.size(), 3, 1, 1)
    near = call.operator(sizes, *settings, **keywords)
    longest = max(longest, *near.shape[2:])
    rounding = axes * (2 * 4 * unit.accumulator * longest + 4 * unit.output)
    error = call.operator(x.error, *settings, **keywords) + rounding * near
    return call.rounded(call.operator(x.value, *settings, **keywords), error + 2 * axes * unit.underflow)


RULES: dict[str, Rule] = dict.fromkeys(
    ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), interpolated
)
