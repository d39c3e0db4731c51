"""A depthwise convolution, then a 1x1 convolution, is one dense convolution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from convcheck.layers import Conv, Roundings, Sequential
from convcheck.rewriting.chains import chain_refusal, merged_bias
from convcheck.rewriting.preconditions import is_pointwise
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.rewriting.zeros import block_diagonal
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def separable(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (Conv,), (Conv,)):
        yield refusal
        return
    depthwise, mix = cast("tuple[Conv, Conv]", chain.layers)
    if depthwise.groups != depthwise.in_channels:
        need = f"needs to be in_channels, {depthwise.in_channels}"
        yield Refusal("groups of layer 0", depthwise.groups, need, "try merge-convs")
    if not is_pointwise(mix):
        yield Refusal("layer 1", mix, "needs to be 1x1 without padding", "it would see neighbours, or the border")


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from torch import nn

    from convcheck.modules.parts import pad

    depthwise, mix = cast("tuple[Conv, Conv]", chain.layers)
    convolution: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[depthwise.dims]
    options = {
        "kernel_size": depthwise.kernel_size,
        "stride": tuple(first * second for first, second in zip(depthwise.stride, mix.stride, strict=True)),
        "dilation": depthwise.dilation,
        "bias": depthwise.bias or mix.bias,
    }

    class MergeSeparable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = convolution(depthwise.in_channels, mix.out_channels, **options)

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, depthwise.pads, depthwise.padding_mode)
            y: Tensor = self.conv(x)
            return y

    return MergeSeparable()


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    depthwise, mix = cast("tuple[Conv, Conv]", chain.layers)
    inputs = depthwise.in_channels
    size = (mix.out_channels, inputs, *depthwise.kernel_size)

    def merged_kernels(point: Tensor, depth: Tensor) -> Tensor:
        point = block_diagonal(point, mix.groups)
        # [o, i, m, 1] * [i, m, k], summed over the m channels that come from one input channel
        mixing = point.reshape(point.shape[0], inputs, -1, 1)
        taps = depth.reshape(inputs, -1, math.prod(depthwise.kernel_size))
        return (mixing * taps).sum(2).reshape(-1, inputs, *depthwise.kernel_size)

    formula = "W[o, i, k] = sum over m of P[o, (i m)] * D[(i m), k]"
    return {
        "conv.weight": Merge(("1.weight", "0.weight"), size, merged_kernels, formula),
        "conv.bias": merged_bias(depthwise, mix, "b[o] = sum over m of P[o, m] * a[m]"),
    }


def macs(chain: Sequential, shape: Shape) -> int:
    depthwise = cast(Conv, chain.layers[0])
    return math.prod(chain.output_shape(shape)) * depthwise.in_channels * math.prod(depthwise.kernel_size)


REWRITE = Rewrite(
    claim=__doc__,
    summary="depthwise and 1x1 convolution in one dense one",
    reference="Sequential of a depthwise Conv and a 1x1 Conv",
    holds_when="groups = in_channels in the first, the second is 1x1 without padding; any stride, padding and dilation",
    formula="W[o, i, k] = sum over m of P[o, (i m)] * D[(i m), k], b[o] = c[o] + sum over m of P[o, m] * a[m]",
    derivation=(
        "Channel (i m) between the two reads input channel i alone. Put its sum over taps into that of the 1x1 "
        "convolution over (i m), and take the sum over m over the weights."
    ),
    source="F. Chollet, Xception, 2017: a depthwise convolution, then a 1x1 convolution, as a factored convolution",
    families=(Sequential,),
    example="Sequential(Conv2d(4, 4, 3, padding=1, groups=4), Conv2d(4, 8, 1))",
    preconditions=(separable,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    # As im2col writes the merged convolution out.
    intermediates=lambda chain, shape: macs(chain, shape) // chain.layers[1].out_channels,
    # The products that make up a merged weight are rounded, and so is their sum; then the convolution is.
    roundings=lambda _chain: Roundings(3),
    training="two factors become one kernel with more values of its own, in which they cannot be told apart again; an "
    "optimiser step leaves the kernels that have such factors",
)
