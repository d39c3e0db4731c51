"""A convolution is a product of spectra, cropped and strided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv, ConvTranspose, Roundings
from convcheck.patterns import Shape, spell
from convcheck.rewrite import Recipe, Refusal, Rewrite, Transform
from convcheck.transplant import Parameters

if TYPE_CHECKING:
    from torch import Tensor, nn

Windowed = Conv | ConvTranspose


def refusals(layer: Windowed, shape: Shape) -> Iterator[Refusal]:
    yield from ()


def lengths(layer: Windowed, shape: Shape) -> Shape:
    """Return the length of the transform along every axis: the next power of two that holds all that is read."""
    space = shape[-layer.dims :]
    if isinstance(layer, Conv):
        needed = (n + sum(pads) for n, pads in zip(space, layer.pads, strict=True))
    else:
        needed = (s.outputs(n) + 2 * s.padding for n, s in zip(space, layer.spreads, strict=True))
    return tuple(1 << max(0, n - 1).bit_length() for n in needed)


def candidate(layer: Windowed, shape: Shape) -> nn.Module:
    import torch
    from einops import einsum, rearrange
    from torch import nn

    from convcheck.nn import pad

    dims, groups = layer.dims, layer.groups
    axes = tuple(range(-dims, 0))
    weight = layer.parameters()["weight"]

    def spread(x: Tensor, factors: tuple[int, ...]) -> Tensor:
        """Put `factor - 1` zeros between the entries of the last axes."""
        sparse = x.new_zeros(
            (*x.shape[:-dims], *((n - 1) * f + 1 for n, f in zip(x.shape[-dims:], factors, strict=True)))
        )
        every: Any = (..., *(slice(None, None, factor) for factor in factors))
        sparse[every] = x
        return sparse

    class FFT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(weight))
            self.bias = nn.Parameter(torch.empty(layer.out_channels)) if layer.bias else None

        def forward(self, x: Tensor) -> Tensor:
            # torch transforms single and double precision; half is widened, and rounded once at the end.
            wide = torch.promote_types(x.dtype, torch.float32)
            taps = spread(self.weight.to(wide), layer.dilation)
            reach = taps.shape[-dims:]
            if isinstance(layer, Conv):
                read = pad(x, layer.pads, layer.padding_mode).to(wide)
                needed = list(read.shape[-dims:])
                every = [slice(0, n - k + 1, s) for n, k, s in zip(needed, reach, layer.stride, strict=True)]
            else:
                read = spread(x.to(wide), layer.stride)
                sizes = zip(read.shape[-dims:], reach, layer.output_padding, strict=True)
                needed = [n + k - 1 + more for n, k, more in sizes]
                every = [slice(cut, n - cut) for n, cut in zip(needed, layer.padding, strict=True)]
            # The next power of two that holds all that is read or written.
            y = self.multiply(read, taps, tuple(1 << (n - 1).bit_length() for n in needed))
            cropped: Any = (..., *every)
            y = y[cropped].to(x.dtype)
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

        def multiply(self, x: Tensor, taps: Tensor, n: tuple[int, ...]) -> Tensor:
            """Multiply spectra and sum over the input channels of each group."""
            inputs = rearrange(
                torch.fft.rfftn(x, n, axes), spell("... (g i) {space} -> ... g i {space}", dims), g=groups
            )
            kernel = rearrange(
                torch.fft.rfftn(taps, n, axes), spell("(g a) b {space} -> g a b {space}", dims), g=groups
            )
            # A convolution as deep learning has it is a correlation: its kernel is not flipped.
            product = (
                einsum(inputs, kernel.conj(), spell("... g i {space}, g o i {space} -> ... g o {space}", dims))
                if isinstance(layer, Conv)
                else einsum(inputs, kernel, spell("... g i {space}, g i o {space} -> ... g o {space}", dims))
            )
            spectra = rearrange(product, spell("... g o {space} -> ... (g o) {space}", dims))
            y: Tensor = torch.fft.irfftn(spectra, n, axes)
            return y

    return FFT()


def stages(layer: Windowed, shape: Shape) -> int:
    """Return how many radix-2 stages the transform has, over all axes."""
    return sum(n.bit_length() - 1 for n in lengths(layer, shape))


def factor(layer: Windowed, shape: Shape, terms: int) -> float:
    """Return the first-order factor of u * ||x|| * ||w|| for one product of spectra, and a sum of `terms` of them.

    C. Percival, Rapid multiplication modulo the sum and difference of highly composite numbers, 2003, theorem 5.1, with
    twiddle factors within one unit roundoff.
    """
    n = stages(layer, shape)
    return 3 * n + math.sqrt(5) * (3 * n + 1) + 3 * n + terms + 2


def gain(layer: Windowed, shape: Shape) -> float:
    """Bound |error| / (u M^2) of outputs and gradients by norms of tensors whose entries are at most M."""
    batch = math.prod(shape[: -layer.dims - 1])
    points, taps = math.prod(lengths(layer, shape)), math.prod(layer.kernel_size)
    into, out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    sums = ((into, points * taps), (out, points * taps), (batch, points * points))
    return max(terms * math.sqrt(squares) * factor(layer, shape, terms) for terms, squares in sums) + 1


def rows(layer: Windowed, x: Tensor, parameters: Parameters) -> Tensor:
    """Bound |error| / u of every output channel by the norms of its inputs and kernels."""
    from einops import einsum, rearrange

    from convcheck.nn import pad

    dims, groups = layer.dims, layer.groups
    padded = pad(x, layer.pads, layer.padding_mode) if isinstance(layer, Conv) else x
    inputs = rearrange(padded.flatten(-dims).norm(dim=-1), "... (g i) -> ... g i", g=groups)
    kernel = rearrange(parameters["weight"].flatten(-dims).norm(dim=-1), "(g a) b -> g a b", g=groups)
    pattern = "... g i, g o i -> ... g o" if isinstance(layer, Conv) else "... g i, g i o -> ... g o"
    norms: Tensor = rearrange(einsum(inputs, kernel, pattern), "... g o -> ... (g o)")
    return factor(layer, tuple(x.shape), layer.in_channels // groups) * norms.reshape(*norms.shape, *[1] * dims)


def weights(layer: Windowed, shape: Shape) -> Mapping[str, Recipe]:
    return {"weight": ("weight",), "bias": ("bias",)}


def macs(layer: Windowed, shape: Shape) -> int:
    """Count real multiplications: n log2 n for a real transform of n points, four a product of half spectra."""
    n = lengths(layer, shape)
    half = math.prod(n[:-1]) * (n[-1] // 2 + 1)
    batch, into, out = math.prod(shape[: -layer.dims - 1]), layer.in_channels, layer.out_channels
    transforms = batch * into + batch * out + into * out // layer.groups
    products = half * batch * into * out // layer.groups
    return transforms * math.prod(n) * stages(layer, shape) + 4 * products


REWRITE = Rewrite(
    claim=__doc__,
    reference="any convolution or transposed convolution",
    holds_when="always",
    formula="y = F^-1(F(x) * conj(F(w))) at every s-th point; F^-1(F(x) * F(w)) on spread inputs if it is transposed",
    source="A. V. Oppenheim and R. W. Schafer, Discrete-Time Signal Processing, on linear convolution by the DFT",
    families=(Conv, ConvTranspose),
    example="Conv2d(4, 8, kernel_size=5, padding=2, groups=2)",
    refusals=refusals,
    candidate=candidate,
    weights=weights,
    macs=macs,
    pace=4,
    roundings=lambda layer: Roundings(bias_apart=layer.bias),
    transform=Transform(gain, rows),
)
