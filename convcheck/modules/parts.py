"""Small modules that candidates are made of, to be copied or imported into real models."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def pad(x: Tensor, pads: Sequence[tuple[int, int]], mode: str = "zeros") -> Tensor:
    """Pad the last axes as a convolution with this `padding_mode` does; one (before, after) for each of them.

    Every mode of torch pads its one to three last axes of a batched input, or of an unbatched one.
    """
    widths = [width for axis in reversed(pads) for width in axis]
    return functional.pad(x, widths, mode="constant" if mode == "zeros" else mode) if any(widths) else x


def windows(x: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Return a view of all windows that a convolution reads: `[..., *space] -> [..., *outputs, *kernel]`.

    A window spans `dilation * (kernel - 1) + 1` positions, of which every `dilation`-th is one of its taps.
    """
    dims = len(kernel)
    for axis, (taps, step, gap) in enumerate(zip(kernel, stride, dilation, strict=True)):
        x = x.unfold(axis - dims - axis, gap * (taps - 1) + 1, step)[..., ::gap]
    return x


class OneByOne(nn.Sequential):
    """Run its modules on one image of a batch after the other.

    For where what lies between them is far larger than what comes out. Input is channels first, `[b, c, *space]` or
    `[c, *space]`; `dims` is the number of spatial axes.
    """

    def __init__(self, dims: int, modules: OrderedDict[str, nn.Module]) -> None:
        super().__init__(modules)
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        run: Callable[[Tensor], Tensor] = super().forward
        if x.dim() == self.dims + 1:
            return run(x)
        # A copy lets the memory of what its view leaves out be freed.
        return torch.cat([run(image).clone() for image in torch.split(x, 1)])


class CropToMultiple(nn.Module):
    """Drop the trailing positions that a convolution with this stride and kernel never reads.

    Input and output are channels first, `[*, c, *space]`; of every spatial axis the largest multiple of its entry
    in `multiple` remains. A convolution drops the remainder silently; space-to-depth does not.
    """

    def __init__(self, multiple: Sequence[int]) -> None:
        super().__init__()
        self.multiple = tuple(multiple)

    def forward(self, x: Tensor) -> Tensor:
        for axis, step in enumerate(self.multiple, start=-len(self.multiple)):
            x = x.narrow(axis, 0, x.shape[axis] // step * step)
        return x

    def extra_repr(self) -> str:
        return str(self.multiple)


class PadToBlocks(nn.Module):
    """Pad a convolution's input, and fit it to whole blocks of one stride.

    Input and output are channels first, `[*, c, *space]`. After the padding every axis is cut, or filled up with zeros,
    to the blocks that the windows touch: the outputs of the convolution plus `ceil(kernel / stride) - 1`.
    """

    def __init__(
        self, pads: Sequence[tuple[int, int]], kernel: Sequence[int], stride: Sequence[int], mode: str = "zeros"
    ) -> None:
        super().__init__()
        self.pads, self.kernel, self.stride, self.mode = tuple(pads), tuple(kernel), tuple(stride), mode

    def forward(self, x: Tensor) -> Tensor:
        x = pad(x, self.pads, self.mode)
        dims = len(self.kernel)
        for axis, kernel, stride in zip(range(-dims, 0), self.kernel, self.stride, strict=True):
            touched = ((x.shape[axis] - kernel) // stride + math.ceil(kernel / stride)) * stride
            # A negative pad is a crop.
            x = functional.pad(x, [0] * (-2 * axis - 1) + [touched - x.shape[axis]])
        return x

    def extra_repr(self) -> str:
        return f"pads={self.pads}, kernel={self.kernel}, stride={self.stride}, mode={self.mode}"


class Pad(nn.Module):
    """Pad the last axes as a convolution with this `padding_mode` does; one (before, after) for each of them."""

    def __init__(self, pads: Sequence[tuple[int, int]], mode: str = "zeros") -> None:
        super().__init__()
        self.pads, self.mode = tuple(pads), mode

    def forward(self, x: Tensor) -> Tensor:
        return pad(x, self.pads, self.mode)

    def extra_repr(self) -> str:
        return f"{self.pads}, mode={self.mode}"


class Subsample(nn.Module):
    """Keep every stride-th position of the last axes, from the first on; one stride for each of them."""

    def __init__(self, stride: Sequence[int]) -> None:
        super().__init__()
        self.stride = tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        every: Any = (..., *(slice(None, None, step) for step in self.stride))
        return x[every]

    def extra_repr(self) -> str:
        return str(self.stride)


def dot_products(rows: Tensor, others: Tensor, at_once: int = 2**26) -> Tensor:
    """Multiply every row with every other one and sum: `[..., l, n]` and `[..., s, n]` to `[..., l, s]`.

    Leading axes broadcast. No more than `at_once` bytes of products, or one row's, are in memory together: the output
    is made in halves until a part is small enough.
    """
    lead = torch.broadcast_shapes(rows.shape[:-2], others.shape[:-2])  # type: ignore[no-untyped-call]  # torch's own
    rows, others = rows.expand(*lead, *rows.shape[-2:]), others.expand(*lead, *others.shape[-2:])
    outputs = [*lead, rows.shape[-2], others.shape[-2]]
    longest = max(outputs)
    if longest == 1 or math.prod(outputs) * rows.shape[-1] * rows.element_size() <= at_once:
        # [l, 1, n] * [1, s, n], summed over n
        return (rows[..., :, None, :] * others[..., None, :, :]).sum(-1)
    axis = outputs.index(longest) - len(outputs)
    halves = []
    for start, count in ((0, longest // 2), (longest // 2, longest - longest // 2)):
        some_rows = rows if axis == -1 else rows.narrow(axis, start, count)
        some_others = others if axis == -2 else others.narrow(-2 if axis == -1 else axis, start, count)
        halves.append(dot_products(some_rows, some_others, at_once))
    return torch.cat(halves, axis)
