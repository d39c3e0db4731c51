"""Two convolutions with nothing between, one of them 1x1, are one convolution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from convcheck.layers import Conv, Roundings, Sequential
from convcheck.rewriting.chains import chain_refusal, merged_bias
from convcheck.rewriting.preconditions import is_padded, is_pointwise, written_padding
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.rewriting.transplant import Merge
from convcheck.rewriting.zeros import block_diagonal
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import Tensor, nn


def mergeable(chain: Sequential, shape: Shape) -> Iterator[Refusal]:
    if refusal := chain_refusal(chain, (Conv,), (Conv,)):
        yield refusal
        return
    first, second = cast("tuple[Conv, Conv]", chain.layers)
    if is_pointwise(second):
        return
    if set(first.kernel_size) != {1}:
        need = f"needs to be 1, or that of layer 1, {second.kernel_size}, with no padding there"
        yield Refusal("kernel_size of layer 0", first.kernel_size, need)
    elif is_padded(second) and first.bias and second.padding_mode == "zeros":
        why = "where layer 1 sees zeros, one convolution would see the bias"
        yield Refusal("padding of layer 1", written_padding(second), "needs to be 0, since layer 0 has a bias", why)


def candidate(chain: Sequential, shape: Shape) -> nn.Module:
    from torch import nn

    from convcheck.modules.parts import pad, subsample

    first, second = cast("tuple[Conv, Conv]", chain.layers)
    # The one that sees neighbours gives the windows; the other's stride is taken before, or after.
    windows = first if is_pointwise(second) else second
    strides = tuple(a * b for a, b in zip(first.stride, second.stride, strict=True))
    convolution: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[first.dims]
    options = {
        "kernel_size": windows.kernel_size,
        "stride": strides if windows is first else second.stride,
        "dilation": windows.dilation,
        "bias": first.bias or second.bias,
    }

    class MergeConvs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = convolution(first.in_channels, second.out_channels, **options)

        def forward(self, x: Tensor) -> Tensor:
            x = pad(x, first.pads, first.padding_mode)
            if windows is second:
                x = subsample(x, first.stride)
                x = pad(x, second.pads, second.padding_mode)
            y: Tensor = self.conv(x)
            return y

    return MergeConvs()


def weights(chain: Sequential, shape: Shape) -> Mapping[str, Recipe | Merge]:
    first, second = cast("tuple[Conv, Conv]", chain.layers)
    windows = first if is_pointwise(second) else second
    size = (second.out_channels, first.in_channels, *windows.kernel_size)

    def merged_kernels(outer: Tensor, inner: Tensor) -> Tensor:
        inner = block_diagonal(inner, first.groups)
        outer = block_diagonal(outer, second.groups)
        if windows is first:
            # [o, m] @ [m, (i k)]
            return (outer.flatten(1) @ inner.flatten(1)).reshape(-1, *inner.shape[1:])
        # [(o k), m] @ [m, i]
        merged: Tensor = outer.movedim(1, -1).flatten(0, -2) @ inner.flatten(1)
        return merged.reshape(-1, *outer.shape[2:], inner.shape[1]).movedim(-1, 1)

    formula = "W[o, i, k] = sum over m of B[o, m, k] * A[m, i, k]"
    return {
        "conv.weight": Merge(("1.weight", "0.weight"), size, merged_kernels, formula),
        "conv.bias": merged_bias(first, second, "b[o] = sum over m, k of B[o, m, k] * a[m]"),
    }


def macs(chain: Sequential, shape: Shape) -> int:
    first, second = cast("tuple[Conv, Conv]", chain.layers)
    windows = first if is_pointwise(second) else second
    return math.prod(chain.output_shape(shape)) * first.in_channels * math.prod(windows.kernel_size)


REWRITE = Rewrite(
    claim=__doc__,
    summary="two convolutions, one of them 1x1, in one",
    reference="Sequential of two Conv",
    holds_when="the second is 1x1 without padding; or the first is 1x1, without bias if the second pads with zeros",
    formula="W[o, i, k] = sum over m of B[o, m, k] * A[m, i, k], b[o] = c[o] + sum over m, k of B[o, m, k] * a[m], "
    "where the one that is 1x1 has no k",
    derivation=(
        "Put the first layer's sum into the second's. As one of the two has a single tap, an input position goes with "
        "one tap of the other, and the sum over the channels m between them can be taken over the weights alone. A "
        "bias of the first does not reach zeros that the second one pads, hence the precondition."
    ),
    source="convolution is linear and associative; written out in X. Ding et al., Diverse Branch Block, 2021, "
    "section 3.2, transform III",
    families=(Sequential,),
    example="Sequential(Conv2d(3, 4, 1), Conv2d(4, 8, 3, stride=2))",
    preconditions=(mergeable,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    # As im2col writes the merged convolution out.
    intermediates=lambda chain, shape: macs(chain, shape) // chain.layers[1].out_channels,
    # A merged weight is rounded once, its bias twice; then the convolution is.
    roundings=lambda _chain: Roundings(4),
    training="two kernels become one with values of its own, in which they cannot be told apart again; an optimiser "
    "step leaves what two such kernels can make",
)
