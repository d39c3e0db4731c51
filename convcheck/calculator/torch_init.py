"""How torch fills parameters when a layer is made, from kinds and shapes alone.

Sources: `reset_parameters` of torch.nn.Linear, Conv and BatchNorm, `_reset_parameters` of torch.nn.MultiheadAttention,
and torch.nn.init. The defaults of convolutions and Linear are K. He et al., "Delving Deep into Rectifiers", 2015, with
a negative slope of sqrt(5), by which the gain cancels; those of attention X. Glorot and Y. Bengio, "Understanding the
difficulty of training deep feedforward neural networks", 2010.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from convcheck.layers.base import Layer
from convcheck.layers.kinds.batchnorm import BatchNorm
from convcheck.layers.kinds.multihead import MultiheadAttention
from convcheck.layers.kinds.patches import Patchify, Unpatchify
from convcheck.layers.kinds.sequential import Sequential
from convcheck.sizes.patterns import Shape


@dataclass(frozen=True)
class Init:
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


def usual(weight: Shape) -> Init:
    """Return how torch fills the weight and the bias of a convolution, transposed or not, or a Linear: U(-b, b).

    `b = 1 / sqrt(fan-in)`, that of the weight for both of them.
    """
    fan_in, _ = fans(weight) or (1, 1)
    return Init("uniform", bound=1 / math.sqrt(fan_in))


def initial(layer: Layer) -> dict[str, Init]:
    """Return how torch fills each parameter of a layer, by name."""
    shapes = layer.parameters()
    match layer:
        case Sequential():
            return {
                f"{number}.{name}": init
                for number, each in enumerate(layer.layers)
                for name, init in initial(each).items()
            }
        case BatchNorm():
            return {name: ONES if name == "weight" else ZEROS for name in shapes}
        case MultiheadAttention():
            return {name: _attention(name, shape) for name, shape in shapes.items()}
        case Patchify() | Unpatchify() if layer.weight_init != "default":
            return {name: _patches(layer) if name == "conv.weight" else ZEROS for name in shapes}
    return named(shapes)


def named(shapes: Mapping[str, Shape]) -> dict[str, Init]:
    """Return how convolutions and Linears fill their parameters, where each has its weight beside it."""
    return {name: usual(shapes[f"{name.rpartition('.')[0]}.weight".lstrip(".")]) for name in shapes}


def _attention(name: str, shape: Shape) -> Init:
    if name == "out_proj.weight":
        return usual(shape)
    if name in ("in_proj_bias", "out_proj.bias"):
        return ZEROS
    both = sum(fans(shape) or (1, 1))
    if name in ("bias_k", "bias_v"):
        return Init("normal", std=math.sqrt(2 / both))
    return Init("uniform", bound=math.sqrt(6 / both))


def _patches(layer: Patchify | Unpatchify) -> Init:
    if layer.weight_init == "zeros":
        return ZEROS
    return Init("normal", std=math.sqrt(2 / (layer.in_features * math.prod(layer.patch))))
