"""A convolution with three taps an axis needs fewer multiplications on tiles: Winograd's F(2,3) and F(4,3)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv, Roundings
from convcheck.rewriting.parameter_move import Parameters
from convcheck.rewriting.rewrite import Refusal, Rewrite, Transform
from convcheck.sizes.patterns import Shape, spell

if TYPE_CHECKING:
    from torch import Tensor, nn

Rows = tuple[tuple[float, ...], ...]

# (B^T, G, A^T) by tile length: y = A^T ((G w) * (B^T x)), along every axis.
TILES: Mapping[int, tuple[Rows, Rows, Rows]] = {
    2: (
        ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
        ((1, 1, 1, 0), (0, 1, -1, -1)),
    ),
    4: (
        (
            (4, 0, -5, 0, 1, 0),
            (0, -4, -4, 1, 1, 0),
            (0, 4, -4, -1, 1, 0),
            (0, -2, -1, 2, 1, 0),
            (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
        (
            (1 / 4, 0, 0),
            (-1 / 6, -1 / 6, -1 / 6),
            (-1 / 6, 1 / 6, -1 / 6),
            (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6),
            (0, 0, 1),
        ),
        ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
    ),
}


def three_neighbouring_taps(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    if set(conv.kernel_size) != {3}:
        yield Refusal("kernel_size", conv.kernel_size, "needs to be 3", "the tiles are made for three taps")
    if set(conv.stride) != {1}:
        yield Refusal("stride", conv.stride, "needs to be 1", "a tile computes neighbouring outputs")
    if set(conv.dilation) != {1}:
        yield Refusal("dilation", conv.dilation, "needs to be 1", "a tile reads neighbouring inputs")


def tile(conv: Conv, shape: Shape) -> int:
    """Return the tile length: 4, or 2 where an axis has no more outputs than that."""
    return 4 if min(conv.output_shape(shape)[-conv.dims :]) > 2 else 2


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    import torch
    from einops import einsum, rearrange
    from torch import nn
    from torch.nn import functional

    from convcheck.modules.parts import pad, windows

    dims, groups, m = conv.dims, conv.groups, tile(conv, shape)
    # B^T, G and A^T, of the input, the kernel and the output.
    matrices = TILES[m]

    class Winograd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(conv.parameters()["weight"]))
            self.bias = nn.Parameter(torch.empty(conv.out_channels)) if conv.bias else None

        def forward(self, x: Tensor) -> Tensor:
            # The transforms lose several bits, so half precision is widened, and rounded once at the end.
            wide = torch.promote_types(x.dtype, torch.float32)
            constants = (torch.tensor(rows, dtype=wide, device=x.device) for rows in matrices)
            padded = pad(x, conv.pads, conv.padding_mode)
            y = self.convolve(padded.to(wide), self.weight.to(wide), *constants).to(x.dtype)
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

        def convolve(self, x: Tensor, weight: Tensor, into: Tensor, taps: Tensor, out: Tensor) -> Tensor:
            """Convolve a padded input tile by tile with the given B^T, G and A^T."""
            outputs = [length - 2 for length in x.shape[-dims:]]
            more = [width for length in reversed(outputs) for width in (0, -length % m)]
            tiles = windows(functional.pad(x, more), (m + 2,) * dims, (m,) * dims, (1,) * dims)
            inputs = self.along_every_axis(into, tiles)
            inputs = rearrange(inputs, spell("... (g i) {space} {k} -> ... g i {space} {k}", dims), g=groups)
            kernel = self.along_every_axis(taps, weight)
            kernel = rearrange(kernel, spell("(g o) i {k} -> g o i {k}", dims), g=groups)
            product = einsum(inputs, kernel, spell("... g i {space} {k}, g o i {k} -> ... g o {space} {k}", dims))
            y = self.along_every_axis(out, product)
            y = rearrange(y, spell("... g o {space} {k} -> ... (g o) {blocks}", dims))
            for axis, length in enumerate(outputs, start=-dims):
                y = y.narrow(axis, 0, length)
            return y

        def along_every_axis(self, matrix: Tensor, x: Tensor) -> Tensor:
            for axis in range(-dims, 0):
                x = torch.tensordot(x, matrix, ([axis], [1])).movedim(-1, axis)
            return x

    return Winograd()


def steps(conv: Conv, m: int, terms: int) -> int:
    """Return how many roundings a product meets at most: three transforms of m + 2 terms an axis, and a sum."""
    return conv.dims * 3 * (m + 4) + terms + 2


def gain(conv: Conv, shape: Shape) -> float:
    """Bound |error| / (u M^2) by the magnitudes that pass through the transforms, forwards and backwards.

    The error grows with the row sums of |A|, |G| and |B| (B. Barabasz et al., Error analysis and improving the accuracy
    of Winograd convolution for deep neural networks, 2020).
    """
    m = tile(conv, shape)
    into, taps, out = (tuple(tuple(abs(entry) for entry in row) for row in rows) for rows in TILES[m])
    b, g, a = [sum(row) for row in into], [sum(row) for row in taps], [sum(column) for column in zip(*out, strict=True)]
    points = range(m + 2)
    forward = max(sum(row[t] * g[t] * b[t] for t in points) for row in out)
    # An input lies in up to two tiles along an axis, whose gradients are added.
    to_input = 2 * max(sum(into[t][n] * g[t] * a[t] for t in points) for n in points)
    to_weight = max(sum(taps[t][k] * b[t] * a[t] for t in points) for k in range(3))
    tiles = math.prod(math.ceil(n / m) for n in conv.output_shape(shape)[-conv.dims :])
    batch = math.prod(shape[: -conv.dims - 1]) * tiles
    ways = (
        (conv.in_channels // conv.groups, forward),
        (conv.out_channels // conv.groups, to_input),
        (batch, to_weight),
    )
    return max(terms * grown**conv.dims * steps(conv, m, terms) for terms, grown in ways) + 1


def rows(conv: Conv, x: Tensor, parameters: Parameters) -> Tensor:
    """Bound |error| / u of every output by the same computation on magnitudes."""
    import torch

    from convcheck.modules.parts import pad

    m = tile(conv, tuple(x.shape))
    matrices = (torch.tensor(rows, dtype=x.dtype).abs() for rows in TILES[m])
    winograd: Any = candidate(conv, tuple(x.shape))
    padded = pad(x, conv.pads, conv.padding_mode)
    magnitudes: Tensor = winograd.convolve(padded.abs(), parameters["weight"].abs(), *matrices)
    return steps(conv, m, conv.in_channels // conv.groups) * magnitudes


def macs(conv: Conv, shape: Shape) -> int:
    """Count the products of transformed tiles, which are what Winograd saves; the transforms are fixed additions."""
    m = tile(conv, shape)
    tiles = math.prod(math.ceil(n / m) for n in conv.output_shape(shape)[-conv.dims :])
    batch, products = math.prod(shape[: -conv.dims - 1]), math.prod([m + 2] * conv.dims)
    return batch * tiles * products * conv.out_channels * conv.in_channels // conv.groups


def intermediates(conv: Conv, shape: Shape) -> int:
    """Count the transformed tiles and kernels with a gradient of each, and the products with a copy of theirs."""
    products = macs(conv, shape)
    tiles = products // conv.out_channels * conv.groups
    kernels = math.prod([tile(conv, shape) + 2] * conv.dims) * math.prod(conv.parameters()["weight"][:2])
    return 2 * tiles + 2 * kernels + 3 * products // (conv.in_channels // conv.groups)


REWRITE = Rewrite(
    claim=__doc__,
    summary="tiles that need fewer products: F(2,3) and F(4,3)",
    reference="Conv1d, Conv2d or Conv3d",
    holds_when="kernel 3, stride 1, dilation 1",
    formula="y = A^T ((G w) * (B^T x)) on each tile of m outputs, with m + 2 products an axis in place of 3 m",
    derivation=(
        "m outputs of three taps are the transpose of a product of two polynomials, which takes m + 2 products: "
        "evaluate at m + 2 points, multiply, interpolate (Toom and Cook). G, B^T and A^T are these steps as matrices; "
        "they are taken along every axis, and the sum over i stands before A^T, which is linear."
    ),
    source="A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4",
    families=(Conv,),
    example="Conv2d(4, 8, kernel_size=3, padding=1)",
    preconditions=(three_neighbouring_taps,),
    candidate=candidate,
    weights={"weight": ("weight",), "bias": ("bias",)},
    macs=macs,
    intermediates=intermediates,
    relative_cost=5,
    roundings=lambda conv: Roundings(bias_apart=conv.bias),
    transform=Transform(gain, rows),
)
