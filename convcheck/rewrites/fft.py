"""A convolution is a product of spectra, cropped and strided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv, ConvTranspose, Roundings
from convcheck.rewriting.halves import halvings
from convcheck.rewriting.parameter_move import Parameters
from convcheck.rewriting.rewrite import Rewrite, Transform
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import Tensor, nn

Windowed = Conv | ConvTranspose

BYTES_AT_ONCE = 2**25
"""So many bytes of spectra are in memory at once, or those of one product; torch copies them two or three times."""


def lengths(layer: Windowed, shape: Shape) -> Shape:
    """Return the length of the transform along every axis: the next power of two that holds all that is read."""
    space = shape[-layer.dims :]
    if isinstance(layer, Conv):
        needed = (n + sum(pads) for n, pads in zip(space, layer.pads, strict=True))
    else:
        needed = (s.outputs(n) + 2 * s.padding for n, s in zip(space, layer.spreads, strict=True))
    return tuple(1 << max(0, n - 1).bit_length() for n in needed)


def outputs(layer: Windowed, space: Shape) -> tuple[slice, ...]:
    """Return which points of the transform are outputs, along every axis."""
    if isinstance(layer, Conv):
        read = zip(layer.windows, space, strict=True)
        points = (slice(0, (w.outputs(n) - 1) * w.stride + 1, w.stride) for w, n in read)
    else:
        written = zip(layer.spreads, space, strict=True)
        points = (slice(w.padding, w.padding + w.outputs(n)) for w, n in written)
    return tuple(points)


def spectra(sizes: Sequence[int]) -> Shape:
    """Return how many spectra it takes to multiply those of inputs `[b, i, ...]` and of kernels `[o, i, ...]`.

    `sizes` are o, b and i; the counts are those of inputs, kernels and products.
    """
    out, batch, into = sizes
    return batch * into, out * into, batch * out


def values(layer: Windowed, shape: Shape) -> int:
    """Return how many real numbers a spectrum has: half of it is made, which tells the other half."""
    n = lengths(layer, shape)
    return 2 * math.prod(n[:-1]) * (n[-1] // 2 + 1)


def in_parts(layer: Windowed, shape: Shape) -> tuple[int, int, Sequence[int]]:
    """Return how many groups are multiplied at once, how often each is halved, and the sizes of a part.

    A number takes 8 bytes, as in float64.
    """
    groups, at_once = layer.groups, BYTES_AT_ONCE // (8 * values(layer, shape))
    sizes = [layer.out_channels // groups, math.prod(shape[: -layer.dims - 1]), layer.in_channels // groups]
    if groups * sum(spectra(sizes)) <= at_once:
        return groups, 0, sizes
    return 1, *halvings(sizes, lambda part: sum(spectra(part)), at_once)


def in_halves(multiply: Any, x: Tensor, taps: Tensor, halvings: int) -> Tensor:
    """Multiply `[b, i, ...]` with `[o, i, ...]`, to `[b, o, ...]`: in halves of the longest axis, so many times."""
    import torch

    longest = max(*x.shape[:2], len(taps))
    if longest == 1 or halvings == 0:
        y: Tensor = multiply(x, taps)
        return y
    if longest == len(taps):
        return torch.cat([in_halves(multiply, x, half, halvings - 1) for half in taps.tensor_split(2)], 1)
    if longest == len(x):
        return torch.cat([in_halves(multiply, half, taps, halvings - 1) for half in x.tensor_split(2)])
    halves = zip(x.tensor_split(2, 1), taps.tensor_split(2, 1), strict=True)
    first, second = (in_halves(multiply, *half, halvings - 1) for half in halves)
    return first + second


def candidate(layer: Windowed, shape: Shape) -> nn.Module:
    from functools import partial

    import torch
    from einops import einsum
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    from convcheck.modules.parts import pad

    dims, groups, transposed = layer.dims, layer.groups, isinstance(layer, ConvTranspose)
    axes, channel = tuple(range(-dims, 0)), -dims - 1
    n, cropped = lengths(layer, shape), outputs(layer, shape[-dims:])
    at_once, times, _ = in_parts(layer, shape)
    summed = spell("b i {space}, o i {space} -> b o {space}", dims)

    class FFT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(layer.parameters()["weight"]))
            self.bias = nn.Parameter(torch.empty(layer.out_channels)) if layer.bias else None

        def forward(self, x: Tensor) -> Tensor:
            if isinstance(layer, Conv):
                x = pad(x, layer.pads, layer.padding_mode)
            inputs = x.reshape(-1, *x.shape[channel:]).chunk(groups, 1)
            kernels = self.weight.chunk(groups)
            if transposed:
                kernels = tuple(taps.transpose(0, 1) for taps in kernels)
            pairs = zip(inputs, kernels, strict=True)
            if at_once < groups or times:
                # For the backward pass the spectra of every part are made anew, rather than all of them kept.
                multiply = partial(checkpoint, self.multiply, use_reentrant=False, preserve_rng_state=False)
                y = torch.cat([in_halves(multiply, *pair, times) for pair in pairs], 1)
            else:
                y = torch.cat([self.multiply(*pair) for pair in pairs], 1)
            y = y.reshape(*x.shape[:channel], *y.shape[1:]).to(x.dtype)
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

        def multiply(self, x: Tensor, taps: Tensor) -> Tensor:
            inputs = self.transform(x, layer.stride if transposed else (1,) * dims)
            kernel = self.transform(taps, layer.dilation)
            if not transposed:
                # A convolution as deep learning has it is a correlation: its kernel is not flipped.
                kernel = kernel.conj()
            product = einsum(inputs, kernel, summed)
            # A copy, so that what is cropped away is not kept.
            y: Tensor = torch.fft.irfftn(product, n, axes)[(..., *cropped)].clone()
            return y

        def transform(self, x: Tensor, factors: Sequence[int]) -> Tensor:
            """Put `factor - 1` zeros between the entries of the last axes, zeros behind them, and transform."""
            # torch transforms single and double precision; half is widened, and rounded once at the end.
            sparse = x.new_zeros(*x.shape[:2], *n, dtype=torch.promote_types(x.dtype, torch.float32))
            every: Any = (..., *(slice(0, (k - 1) * f + 1, f) for k, f in zip(x.shape[2:], factors, strict=True)))
            sparse[every] = x
            y: Tensor = torch.fft.rfftn(sparse, dim=axes)
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

    from convcheck.modules.parts import pad

    dims, groups = layer.dims, layer.groups
    padded = pad(x, layer.pads, layer.padding_mode) if isinstance(layer, Conv) else x
    inputs = rearrange(padded.flatten(-dims).norm(dim=-1), "... (g i) -> ... g i", g=groups)
    kernel = rearrange(parameters["weight"].flatten(-dims).norm(dim=-1), "(g a) b -> g a b", g=groups)
    pattern = "... g i, g o i -> ... g o" if isinstance(layer, Conv) else "... g i, g i o -> ... g o"
    norms: Tensor = rearrange(einsum(inputs, kernel, pattern), "... g o -> ... (g o)")
    return factor(layer, tuple(x.shape), layer.in_channels // groups) * norms.reshape(*norms.shape, *[1] * dims)


def macs(layer: Windowed, shape: Shape) -> int:
    """Count real multiplications: n log2 n for a real transform of n points, four a product of half spectra."""
    n = lengths(layer, shape)
    half = math.prod(n[:-1]) * (n[-1] // 2 + 1)
    batch, into, out = math.prod(shape[: -layer.dims - 1]), layer.in_channels, layer.out_channels
    transforms = batch * into + batch * out + into * out // layer.groups
    products = half * batch * into * out // layer.groups
    return transforms * math.prod(n) * stages(layer, shape) + 4 * products


def intermediates(layer: Windowed, shape: Shape) -> int:
    """Count the spectra of all groups, or of a part where they are made in parts, and the copies of the most of them.

    Backwards, the largest of the three kinds is held as zeros between entries, as product, and as whole spectrum.
    """
    groups, _, sizes = in_parts(layer, shape)
    kinds = spectra(sizes)
    return values(layer, shape) * (groups * sum(kinds) + 4 * max(kinds))


REWRITE = Rewrite(
    claim=__doc__,
    summary="a product of spectra, cropped and strided",
    reference="Conv1d, Conv2d or Conv3d, transposed or not",
    holds_when="always",
    formula="y = F^-1(F(x) * conj(F(w))) at every s-th point; F^-1(F(x) * F(w)) on spread inputs if it is transposed",
    derivation=(
        "On inputs padded so far that nothing wraps around, a convolution of stride 1 is a cyclic correlation, which "
        "the DFT turns into a product of entries. The stride takes every s-th output, and dilation spreads the kernel "
        "with zeros; a transposed convolution spreads its input with zeros instead."
    ),
    source="A. V. Oppenheim and R. W. Schafer, Discrete-Time Signal Processing, on linear convolution by the DFT",
    families=(Conv, ConvTranspose),
    example="Conv2d(4, 8, kernel_size=5, padding=2, groups=2)",
    candidate=candidate,
    weights={"weight": ("weight",), "bias": ("bias",)},
    macs=macs,
    intermediates=intermediates,
    relative_cost=4,
    # Forwards and backwards; spectra are made anew for the backward pass.
    slowness=lambda *_: 10,
    roundings=lambda layer: Roundings(bias_apart=layer.bias),
    transform=Transform(gain, rows),
)
