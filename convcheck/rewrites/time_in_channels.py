"""A Conv3d whose temporal kernel equals its temporal stride folds frames into channels, then is one Conv2d."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convcheck.layers import Conv
from convcheck.rewriting.preconditions import temporal, written_padding
from convcheck.rewriting.rewrite import Refusal, Rewrite
from convcheck.sizes.patterns import Shape

if TYPE_CHECKING:
    from torch import nn


def clips_tile(conv: Conv, shape: Shape) -> Iterator[Refusal]:
    if conv.dims != 3:
        return
    kernel, stride, dilation = conv.kernel_size[0], conv.stride[0], conv.dilation[0]
    if kernel != stride:
        what = "overlap" if kernel > stride else "leave frames out"
        need, why = f"needs to begin as stride does, {conv.stride}", f"clips of {kernel} frames, {stride} apart, {what}"
        yield Refusal("kernel_size", conv.kernel_size, need, why)
    if any(conv.pads[0]):
        yield Refusal("padding", written_padding(conv), "needs to be 0 in time", "padding shifts every clip")
    if dilation != 1 and kernel != 1:
        yield Refusal("dilation", conv.dilation, "needs to be 1 in time", "a dilated kernel reads no contiguous clip")


def candidate(conv: Conv, shape: Shape) -> nn.Module:
    from einops import rearrange
    from torch import Tensor, nn

    from convcheck.modules.parts import crop

    conv2d: Any = nn.Conv2d
    frames = conv.kernel_size[0]
    options = {
        "kernel_size": conv.kernel_size[1:],
        "stride": conv.stride[1:],
        "padding": conv.padding if isinstance(conv.padding, str) else conv.padding[1:],
        "dilation": conv.dilation[1:],
        "groups": conv.groups,
        "bias": conv.bias,
        "padding_mode": conv.padding_mode,
    }
    # An unbatched video becomes a batch of clips, too.
    batch = "b " if len(shape) == 5 else ""
    clips = f"{batch}i (t kt) h w -> ({batch}t) (i kt) h w"

    class TimeInChannels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv2d(conv.in_channels * frames, conv.out_channels, **options)

        def forward(self, x: Tensor) -> Tensor:
            # Frames that fill no clip are dropped, as a convolution does.
            x = crop(x, (frames, 1, 1))
            # Channel-major, so that the channels of one group stay together.
            y: Tensor = self.conv(rearrange(x, clips, kt=frames))
            return rearrange(y, f"({batch}t) o h w -> {batch}o t h w", t=x.shape[-3] // frames)

    return TimeInChannels()


REWRITE = Rewrite(
    claim=__doc__,
    summary="frames folded into channels, then Conv2d",
    reference="Conv3d",
    holds_when="temporal kernel = temporal stride, no temporal padding, no temporal dilation unless the temporal "
    "kernel is 1",
    formula="y[o, t, n] = b[o] + sum over (i kt), k of W[o, (i kt), k] * x[i, s*t + kt, s*n + d*k - p], with s = kt's "
    "length: no frame is read twice",
    derivation=(
        "Along time, the kernel equals the stride and nothing is padded, so frame s*t + kt is read by output t alone. "
        "The kt frames of t join the channels, and a convolution over space is left."
    ),
    source="torch.nn.Conv3d, whose sum over a kernel's frames joins that over channels",
    families=(Conv,),
    example="Conv3d(3, 64, kernel_size=(2, 16, 16), stride=(2, 16, 16))",
    preconditions=(temporal, clips_tile),
    candidate=candidate,
    weights={"conv.weight": ("weight", "o i kt kh kw -> o (i kt) kh kw"), "conv.bias": ("bias", "o -> o")},
)
