"""A dilated convolution is one dense convolution on each of its phases, folded into the batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv
from convcheck.rewriting.kernels import dilated_size
from convcheck.rewriting.preconditions import dilated
from convcheck.rewriting.rewrite import Rewrite
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import nn


def phase_counts(conv: Conv) -> Shape:
    """Return how many phases have outputs along every axis: windows `d / gcd(s, d)` apart begin in the same one.

    These are all d of them where stride and dilation have no common factor, and only one where d divides s.
    """
    return tuple(d // math.gcd(s, d) for s, d in zip(conv.stride, conv.dilation, strict=True))


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    import torch
    from einops import rearrange
    from torch import Tensor, nn
    from torch.nn import functional

    from convcheck.modules.parts import pad

    dims, counts = conv.dims, phase_counts(conv)
    dense: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    # On a phase, the windows that begin in it are this far apart.
    steps = tuple(s // math.gcd(s, d) for s, d in zip(conv.stride, conv.dilation, strict=True))
    reaches = dilated_size(conv)
    options = {"stride": steps, "groups": conv.groups, "bias": conv.bias}
    to_batch = spell("b i {k} {space} -> (b {k}) i {space}", dims)
    to_space = spell("(b {k}) o {space} -> b o {blocks}", dims)

    class SpaceToBatchConv(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = dense(conv.in_channels, conv.out_channels, conv.kernel_size, **options)

        def forward(self, x: Tensor) -> Tensor:
            batched = pad(x if x.dim() == dims + 2 else x[None], conv.pads, conv.padding_mode)
            outputs, reads, fit = [], [], list[int]()
            axes = zip(batched.shape[-dims:], reaches, conv.stride, conv.dilation, counts, strict=True)
            for length, reach, stride, gap, count in axes:
                outputs.append((length - reach) // stride + 1)
                per_phase = (outputs[-1] + count - 1) // count
                # A phase reads every gap-th position, from its own start on.
                reads.append((range(0, stride * count, stride), stride * count * (per_phase - 1) + reach, gap))
                # As many windows on every phase; some may be dropped again. A negative pad is a crop.
                fit = [0, stride * (per_phase * count - 1) + reach - length, *fit]
            split = functional.pad(batched, fit)
            for behind, (starts, reach, gap) in zip(range(dims - 1, -1, -1), reads, strict=True):
                every: list[Any] = [(..., slice(n, n + reach, gap), *[slice(None)] * behind) for n in starts]
                split = torch.stack([split[phase] for phase in every], -dims - 1)
            y: Tensor = self.conv(rearrange(split, to_batch))
            y = rearrange(y, to_space, **dict(zip(conv.kernel_axes(), counts, strict=True)))
            for axis, length in enumerate(outputs, start=-dims):
                y = y.narrow(axis, 0, length)
            return y if x.dim() == dims + 2 else y[0]

    return SpaceToBatchConv()


def macs(conv: Conv, shape: Shape) -> int:
    outputs = conv.output_shape(shape)[-conv.dims :]
    filled = math.prod(math.ceil(n / count) * count for n, count in zip(outputs, phase_counts(conv), strict=True))
    return conv.macs(shape) // math.prod(outputs) * filled


REWRITE = Rewrite(
    claim=__doc__,
    summary="dense convolution on phases, folded into the batch",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="dilation > 1 along some axis",
    formula="y[o, P*m + q] = b[o] + sum over i, k of W[o, i, k] * X[q, i, (s/c)*m + k], with X[q, i, n] = "
    "x[i, d*n + s*q - p], c = gcd(s, d) and P = d/c phases: just one where d = 1",
    derivation=(
        "Output P*m + q reads s*(P*m + q) + d*k - p. As s*P = d*(s/c), that is d*((s/c)*m + k) + s*q - p: every d-th "
        "input from s*q - p on. On X[q], which holds these, it is a dense convolution of stride s/c."
    ),
    source="L.-C. Chen et al., DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, "
    "and Fully Connected CRFs, 2016, section 3.1 (the second way)",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, padding=2, dilation=2)",
    preconditions=(dilated,),
    candidate=candidate,
    weights={"conv.weight": ("weight", "o i {k} -> o i {k}"), "conv.bias": ("bias", "o -> o")},
    macs=macs,
    # As im2col writes the dense convolution out.
    intermediates=lambda conv, shape: macs(conv, shape) // conv.out_channels,
)
