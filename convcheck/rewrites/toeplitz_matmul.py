"""A convolution, transposed or not, is one matrix applied to its flattened input."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convcheck.errors import ShapeError
from convcheck.layers import Conv, ConvTranspose, Roundings
from convcheck.rewriting.rewrite import Recipe, Refusal, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn

MOST_ENTRIES = 2**22
PATTERNS = {
    1: "o i n m -> (o n) (i m)",
    2: "o i n m n2 m2 -> (o n n2) (i m m2)",
    3: "o i n m n2 m2 n3 m3 -> (o n n2 n3) (i m m2 m3)",
}
"""From a pair of axes for each of the input's, its windows and its positions."""


def matrix_shape(layer: Conv | ConvTranspose, shape: Shape) -> tuple[int, int]:
    """Return the matrix's rows, one for every output value of one image, and columns, one for every input value."""
    inner = layer.dims + 1
    return math.prod(layer.output_shape(shape)[-inner:]), math.prod(shape[-inner:])


def what_fits(layer: Conv | ConvTranspose, shape: Shape) -> str:
    """Say how long every axis of the input may be for the matrix to be small enough."""

    def excess(length: int) -> int:
        try:
            return math.prod(matrix_shape(layer, (*shape[: -layer.dims], *[length] * layer.dims))) - MOST_ENTRIES
        except ShapeError:
            # Too short for the layer.
            return -MOST_ENTRIES

    # The matrix grows with the input, and has a column for each of its values.
    longest = bisect_right(range(MOST_ENTRIES + 1), 0, key=excess) - 1
    if excess(longest) == -MOST_ENTRIES:
        return "no input with equally long axes is small enough"
    return f"an input of {' x '.join(map(str, (layer.in_channels, *[longest] * layer.dims)))} would fit"


@dataclass(frozen=True)
class SmallerInput:
    """What a layer's input needs to be, in words that are looked for when they are written."""

    layer: Conv | ConvTranspose
    shape: Shape

    def __str__(self) -> str:
        entries = math.prod(matrix_shape(self.layer, self.shape))
        need = f"the matrix needs to have {MOST_ENTRIES:,} entries at most, and would have {entries:,}"
        return f"{need}; {what_fits(self.layer, self.shape)}"


def small_matrix(layer: Conv | ConvTranspose, shape: Shape) -> Iterator[Refusal]:
    rows, columns = matrix_shape(layer, shape)
    if rows * columns > MOST_ENTRIES:
        yield Refusal("size", f"{rows:,} outputs by {columns:,} inputs", SmallerInput(layer, shape), vacuous=True)


def candidate(layer: Conv | ConvTranspose, shape: Shape) -> nn.Module:
    import torch
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import pad, windows
    from convcheck.rewriting.zeros import block_diagonal

    dims, groups = layer.dims, layer.groups
    transposed = isinstance(layer, ConvTranspose)
    pads = [(p, p) for p in layer.padding] if isinstance(layer, ConvTranspose) else layer.pads
    axes = list(zip(pads, layer.kernel_size, layer.stride, layer.dilation, strict=True))
    # Of a transposed convolution: the outputs of one input position; each further one adds a stride.
    first = [spread.outputs(1) for spread in layer.spreads] if isinstance(layer, ConvTranspose) else []

    class ToeplitzMatmul(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(layer.parameters()["weight"]))
            self.bias = nn.Parameter(torch.empty(layer.out_channels)) if layer.bias else None

        def forward(self, x: Tensor) -> Tensor:
            space = x.shape[-dims:]
            if transposed:
                # It spreads where the matching convolution reads.
                outputs = [s * (n - 1) + one for s, n, one in zip(layer.stride, space, first, strict=True)]
                # Where output_padding reaches a stride or more, windows fit in that no input is spread over.
                places = [every[:n] for every, n in zip(self.places(outputs), space, strict=True)]
                matrix = self.matrix(places, outputs)
            else:
                places = self.places(space)
                outputs = [one.shape[0] for one in places]
                matrix = self.matrix(places, space).T
            y = torch.unflatten(x.flatten(-dims - 1) @ matrix, -1, (-1, *outputs))
            return y if self.bias is None else y + self.bias.reshape(-1, *[1] * dims)

        def matrix(self, places: Sequence[Tensor], read: Sequence[int]) -> Tensor:
            """Return the matrix of the convolution, written channels and positions by read ones; a block a group."""
            matrix: Tensor = self.weight
            for along, length in zip(places, read, strict=True):
                # The taps of one axis, in every window, become the positions that they read: [..., k] to [..., n, m].
                taps = matrix.movedim(2, -1).unsqueeze(-2)
                taps = taps.expand(*taps.shape[:-2], *along.shape)
                empty = taps.new_zeros(*taps.shape[:-1], 1 + length)
                # Copies in the padding can put several taps in one place, where they add up.
                matrix = empty.scatter_add(-1, along.expand(taps.shape), taps)[..., 1:]
            matrix = rearrange(matrix, PATTERNS[dims])
            return block_diagonal(matrix, groups) if groups > 1 else matrix

        def places(self, read: Sequence[int]) -> list[Tensor]:
            """Return for each axis what all taps of all windows read, `[n, k]`: a position from 1 on, 0 for a zero."""
            found = []
            for length, (width, taps, step, gap) in zip(read, axes, strict=True):
                # In float32, which is exact up to 2^24: torch does not pad whole numbers in every mode.
                numbers = torch.arange(1, 1 + length, dtype=torch.float32, device=self.weight.device)
                numbers = pad(numbers.reshape(1, -1), (width,), layer.padding_mode)
                found.append(windows(numbers, (taps,), (step,), (gap,))[0].long())
            return found

    return ToeplitzMatmul()


def roundings(layer: Conv | ConvTranspose) -> Roundings:
    if layer.padding_mode == "zeros" or isinstance(layer, ConvTranspose):
        return Roundings(bias_apart=layer.bias)
    # An entry is the stored sum of all taps that read one position: itself, and its copies in the padding.
    padded = (k for k, pads in zip(layer.kernel_size, layer.pads, strict=True) if any(pads))
    return Roundings(math.prod(padded), bias_apart=layer.bias)


def weights(layer: Conv | ConvTranspose, shape: Shape) -> Mapping[str, Recipe]:
    weight = "i o {k} -> i o {k}" if isinstance(layer, ConvTranspose) else "o i {k} -> o i {k}"
    return {"weight": ("weight", weight), "bias": ("bias", "o -> o")}


def macs(layer: Conv | ConvTranspose, shape: Shape) -> int:
    return math.prod(shape[: -layer.dims - 1]) * math.prod(matrix_shape(layer, shape))


def intermediates(layer: Conv | ConvTranspose, shape: Shape) -> int:
    """Count the matrix as it is filled, cut, laid out and transposed, and its gradient."""
    return 4 * math.prod(matrix_shape(layer, shape))


REWRITE = Rewrite(
    claim=__doc__,
    summary="one matrix on the flattened input",
    reference="Conv1d, Conv2d or Conv3d, transposed or not",
    holds_when=f"always, up to {MOST_ENTRIES:,} entries of the matrix",
    formula="y = T x + b, with T[(o n), (i m)] = sum of W[o, i, k] over the taps k with s*n + d*k - p = m; "
    "a transposed convolution's matrix is the transpose of a convolution's",
    derivation=(
        "The layer is linear in x. Row (o n) and column (i m) of T have what it multiplies x[i, m] with for output (o, "
        "n): the weights of the taps that read m, and 0 where none does. Which taps read what is seen axis by axis."
    ),
    source="V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning, 2016, section 4.1 "
    "(convolution as a matrix operation)",
    families=(Conv, ConvTranspose),
    example="Conv2d(3, 4, kernel_size=3, stride=2, padding=1)",
    preconditions=(small_matrix,),
    candidate=candidate,
    weights=weights,
    macs=macs,
    intermediates=intermediates,
    roundings=roundings,
)
