"""Small modules that candidates are made of, to be copied or imported into real models."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class CropToMultiple(nn.Module):
    """Drop the trailing positions that a convolution with this stride and kernel never reads.

    Input and output are channels first, `[*, c, *space]`; of every spatial axis the largest multiple of its entry
    in `multiple` is kept. A convolution drops the remainder silently, space-to-depth has to be told.
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
