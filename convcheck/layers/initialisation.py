"""How torch fills parameters when a layer is made.

Sources: `reset_parameters` of torch.nn.Linear, Conv and BatchNorm, `_reset_parameters` of torch.nn.MultiheadAttention,
and torch.nn.init. The defaults of convolutions and Linear are K. He et al., "Delving Deep into Rectifiers", 2015, with
a negative slope of sqrt(5), by which the gain cancels; those of attention X. Glorot and Y. Bengio, "Understanding the
difficulty of training deep feedforward neural networks", 2010.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from convcheck.sizes.patterns import Shape


class Init(NamedTuple):
    """A distribution: `uniform` between -bound and bound, `normal` around 0 with `std`, `ones`, or `zeros`."""

    kind: str
    bound: float | None = None
    std: float | None = None


ONES, ZEROS = Init("ones", bound=1.0), Init("zeros", bound=0.0)


def fans(shape: Shape) -> tuple[int, int] | None:
    """Return (fan-in, fan-out) as torch.nn.init has them: of any weight, the second and the first axis, times the rest.

    Of a transposed convolution, whose second axis is that of the outputs, fan-in is not how many inputs an output has.
    A tensor of fewer than two axes has none.
    """
    if len(shape) < 2:
        return None
    rest = math.prod(shape[2:])
    return shape[1] * rest, shape[0] * rest


def uniform_by_fan_in(shapes: Mapping[str, Shape]) -> dict[str, Init]:
    """Return how convolutions, transposed or not, and Linears fill weight and bias: U(-b, b), b = 1 / sqrt(fan-in).

    The fan-in is that of the weight for both of them; it stands beside the bias, as `0.weight` beside `0.bias`.
    """
    weights = {name: shapes[f"{name.rpartition('.')[0]}.weight".lstrip(".")] for name in shapes}
    return {name: Init("uniform", bound=1 / math.sqrt((fans(shape) or (1, 1))[0])) for name, shape in weights.items()}
