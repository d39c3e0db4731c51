"""Patch embedding and its transpose as trainable modules, channels last: Patchify and Unpatchify."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from convcheck.errors import shown
from convcheck.layers.text import arguments as read
from convcheck.sizes.patterns import SPACE_AXES, Shape

WeightInit = Literal["default", "zeros", "fan_in"]
PerAxis = int | Sequence[int]

_Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
_Kinds = Mapping[int, Callable[..., _Conv]]


class _Patches(nn.Module):
    """What both directions share: their arguments, the initialisation, and the way to channels first and back."""

    _KINDS: ClassVar[_Kinds]
    """torch's layer by the number of spatial axes."""
    _READ: ClassVar[int]
    """The axis of its weight along which the input's channels are."""

    conv: _Conv

    def __init__(
        self,
        in_features: int,
        out_features: int,
        data_dim: int,
        patch_size: PerAxis,
        stride: PerAxis | None = None,
        bias: bool = True,
        weight_init: WeightInit = "default",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if type(data_dim) is not int or data_dim not in self._KINDS:
            raise self._fault("data_dim", data_dim, "1, 2 or 3")
        if weight_init not in get_args(WeightInit):
            raise self._fault("weight_init", weight_init, "'default', 'zeros' or 'fan_in'")
        self.data_dim = data_dim
        self.axes = SPACE_AXES[data_dim]
        self._read("in_features", in_features, read.whole(1))
        self._read("out_features", out_features, read.whole(1))
        self.in_features, self.out_features = in_features, out_features
        self.patch_size = self._lengths("patch_size", patch_size)
        self.stride = self.patch_size if stride is None else self._lengths("stride", stride)
        self.weight_init: WeightInit = weight_init
        self.conv = self._KINDS[data_dim](
            in_features, out_features, self.patch_size, self.stride, bias=bias, device=device, dtype=dtype
        )
        # torch's layer drew its default when it was made; a second draw would give a seed other weights than torch's.
        if weight_init != "default":
            self.reset_parameters()

    def _fault(self, name: str, value: object, legal: object) -> ValueError:
        return ValueError(f"{type(self).__name__}: {name} is {shown(value)}; it must be {legal}")

    def _read(self, name: str, value: object, reader: read.Reader) -> object:
        try:
            return reader(value, self.data_dim)
        except read.BadValueError as legal:
            raise self._fault(name, value, legal) from None

    def _lengths(self, name: str, value: object) -> Shape:
        lengths = self._read(name, value, read.per_axis(1))
        assert isinstance(lengths, tuple)
        return lengths

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, as `weight_init` says."""
        if self.weight_init == "default":
            self.conv.reset_parameters()
            return
        if self.weight_init == "zeros":
            nn.init.zeros_(self.conv.weight)
        else:
            nn.init.normal_(self.conv.weight, std=math.sqrt(2 / (self.conv.in_channels * math.prod(self.patch_size))))
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def _channels_first(self, x: Tensor) -> Tensor:
        shape, name = list(x.shape), type(self).__name__
        if x.dim() not in (self.data_dim + 1, self.data_dim + 2):
            axes = ", ".join((*self.axes, str(self.in_features)))
            raise ValueError(
                f"{name} takes [b, {axes}] or [{axes}], {self.data_dim + 2} or {self.data_dim + 1} axes; "
                f"{shape} has {x.dim()}"
            )
        # The weight's length is a symbol where torch traces a model for every size; the number would be the only one.
        if x.shape[-1] != self.conv.weight.shape[self._READ]:
            as_read = ", read as unbatched," if x.dim() == self.data_dim + 1 else ""
            raise ValueError(
                f"{name} takes {self.in_features} input features, channels last; {shape}{as_read} has {x.shape[-1]}"
            )
        # On the strides that the move alone leaves, torch.compile fails at the backward pass once lengths vary.
        return x.movedim(-1, -self.data_dim - 1).contiguous()

    def _channels_last(self, x: Tensor) -> Tensor:
        return x.movedim(-self.data_dim - 1, -1)

    def extra_repr(self) -> str:
        words = [f"{self.in_features}, {self.out_features}, data_dim={self.data_dim}"]
        words += [f"patch_size={self.patch_size}, stride={self.stride}"]
        words += [] if self.conv.bias is not None else ["bias=False"]
        words += [] if self.weight_init == "default" else [f"weight_init={self.weight_init!r}"]
        return ", ".join(words)


class Patchify(_Patches):
    """Embed patches: `[b, *space, in_features] -> [b, *grid, out_features]`, or both without `b`.

    It is the convolution `conv`, whose kernel is the patch, without padding, between two moves of the channels. An axis
    of length n becomes `floor((n - patch_size) / stride) + 1` patches; trailing positions that fill no patch are
    dropped. What is returned is a view of `conv`'s output and is not contiguous.

    `weight_init` is one of

    - `default`: torch's own, for the weight and the bias.
    - `zeros`: weight and bias are zero, and so is the output.
    - `fan_in`: the weight is normal with standard deviation `sqrt(2 / fan)`, where
      `fan = in_features * prod(patch_size)` is the number of products in an output (He et al., Delving Deep into
      Rectifiers, 2015, eq. 10), and the bias is zero. For independent inputs of mean zero and variance one, the
      variance of an output is 2 over draws of the weight: what a ReLU needs to hand on a mean square of one.

    Args:
        in_features: channels of the input.
        out_features: channels of a patch's embedding.
        data_dim: the number of spatial axes, 1, 2 or 3.
        patch_size: one length for all axes, or one for each.
        stride: the same; `patch_size` if it is left out. A smaller one lets patches overlap, a larger one leaves gaps.

    Raises:
        ValueError: an argument that cannot be, with what would be legal; from `forward`, a wrong rank, a wrong number
            of channels, or an axis shorter than a patch.
    """

    _KINDS: ClassVar[_Kinds] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
    _READ: ClassVar[int] = 1

    def forward(self, x: Tensor) -> Tensor:
        x = self._channels_first(x)
        space = x.shape[-self.data_dim :]
        for axis, length, patch in zip(self.axes, space, self.patch_size, strict=True):
            if length < patch:
                raise ValueError(f"Patchify: axis {axis} has length {length}; it must be at least {patch}, one patch")
        return self._channels_last(self.conv(x))


class Unpatchify(_Patches):
    """Spread embeddings over patches and sum: `[b, *grid, in_features] -> [b, *space, out_features]`, or without `b`.

    It is the transposed convolution `conv`, whose kernel is the patch, without padding, between two moves of the
    channels. An axis of s patches becomes `(s - 1) * stride + patch_size` positions. Patchify drops what fills no
    patch, so `stride` lengths share one grid; `output_spatial_shape` names the one that is meant, up to `stride - 1`
    more. Positions that no patch covers hold the bias alone. Where patches overlap, contributions are summed: with
    Patchify's weight and no bias this is the adjoint of Patchify, not its inverse. It is the inverse too where patches
    tile the input and the weight, as a matrix with one column for every value of a patch, has orthonormal columns. What
    is returned is a view of `conv`'s output and is not contiguous.

    `weight_init` is one of

    - `default`: torch's own, for the weight and the bias; its fan is `out_features * prod(patch_size)`.
    - `zeros`: weight and bias are zero, and so is the output.
    - `fan_in`: the weight is normal with standard deviation `sqrt(2 / fan)`, where
      `fan = in_features * prod(patch_size)`, and the bias is zero. An output sums `in_features` products for every
      patch that covers it, not `fan`: for independent inputs of mean zero and variance one, and m patches over it, its
      variance is `2 * m / prod(patch_size)` over draws of the weight, so `2 / prod(patch_size)` where patches tile.

    Args:
        in_features: channels of a patch's embedding.
        out_features: channels of the output.
        data_dim: the number of spatial axes, 1, 2 or 3.
        patch_size: one length for all axes, or one for each.
        stride: the same; `patch_size` if it is left out. A smaller one lets patches overlap, a larger one leaves gaps.
        output_spatial_shape: what `forward` takes where it is given none; one length for all axes, or one for each.

    Raises:
        ValueError: an argument that cannot be, with what would be legal; from `forward`, a wrong rank, a wrong number
            of channels, an axis without patches, or an output shape that the grid does not have.
    """

    _KINDS: ClassVar[_Kinds] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
    _READ: ClassVar[int] = 0

    def __init__(
        self,
        in_features: int,
        out_features: int,
        data_dim: int,
        patch_size: PerAxis,
        stride: PerAxis | None = None,
        bias: bool = True,
        weight_init: WeightInit = "default",
        output_spatial_shape: PerAxis | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features, data_dim, patch_size, stride, bias, weight_init, device, dtype)
        asked = output_spatial_shape
        self.output_spatial_shape = None if asked is None else self._lengths("output_spatial_shape", asked)

    def forward(self, x: Tensor, output_spatial_shape: PerAxis | None = None) -> Tensor:
        x = self._channels_first(x)
        asked = self.output_spatial_shape if output_spatial_shape is None else output_spatial_shape
        return self._channels_last(self.conv(x, output_size=self._output_size(x, asked)))

    def _output_size(self, x: Tensor, asked: PerAxis | None) -> list[int]:
        """Return one length for every axis, the least legal ones if none are asked for."""
        grid = x.shape[-self.data_dim :]
        for axis, patches in zip(self.axes, grid, strict=True):
            if patches < 1:
                raise ValueError(f"Unpatchify: axis {axis} has no patches; it must have at least 1")
        sizes = zip(grid, self.patch_size, self.stride, strict=True)
        least = [(patches - 1) * stride + patch for patches, patch, stride in sizes]
        if asked is None:
            return least
        # Not by the constructor's reader: while torch exports a model, a length is a symbol, which is no int.
        lengths = list(asked) if isinstance(asked, Sequence) else [asked] * self.data_dim
        if len(lengths) != self.data_dim or not all(isinstance(length, (int, torch.SymInt)) for length in lengths):
            raise self._fault("output_spatial_shape", asked, f"one whole number for each of {', '.join(self.axes)}")
        for axis, length, low, stride in zip(self.axes, lengths, least, self.stride, strict=True):
            if not low <= length < low + stride:
                legal = f"from {low} to {low + stride - 1}" if stride > 1 else f"{low}"
                raise ValueError(
                    f"Unpatchify: axis {axis} of output_spatial_shape {shown(tuple(lengths))} is {length}; "
                    f"for a grid of {list(grid)} patches it must be {legal}"
                )
        return lengths

    def extra_repr(self) -> str:
        asked = self.output_spatial_shape
        return super().extra_repr() + ("" if asked is None else f", output_spatial_shape={asked}")
