# mypy: ignore-errors
"""Stems of video, audio and image models, where the patches take more than one step."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from benchmarks.own_code.record import Pair


# ViViT: tubelets
class TubeletEmbed(nn.Module):
    def __init__(self, tubelet=2, patch=4, channels=3, dim=6):
        super().__init__()
        self.projection = nn.Conv3d(channels, dim, (tubelet, patch, patch), stride=(tubelet, patch, patch))

    def forward(self, video):  # b t c h w
        x = self.projection(video.permute(0, 2, 1, 3, 4))
        return x.flatten(2).transpose(1, 2)


class TubeletLinear(nn.Module):
    def __init__(self, tubelet=2, patch=4, channels=3, dim=6):
        super().__init__()
        self.tubelet, self.patch = tubelet, patch
        self.proj = nn.Linear(tubelet * patch * patch * channels, dim)

    def forward(self, video):
        pt, p = self.tubelet, self.patch
        x = rearrange(video, "b (t pt) c (h ph) (w pw) -> b (t h w) (pt ph pw c)", pt=pt, ph=p, pw=p)
        return self.proj(x)


class TubeletLinearTimeLast(TubeletLinear):
    def forward(self, video):
        pt, p = self.tubelet, self.patch
        x = rearrange(video, "b (t pt) c (h ph) (w pw) -> b (t h w) (ph pw pt c)", pt=pt, ph=p, pw=p)
        return self.proj(x)


# Qwen2-VL: the processor cuts the patches, the convolution sees one at a time
class VisionPatchEmbed(nn.Module):
    def __init__(self, patch_size=4, temporal_patch_size=2, in_channels=3, embed_dim=8):
        super().__init__()
        self.patch_size, self.temporal_patch_size = patch_size, temporal_patch_size
        self.in_channels, self.embed_dim = in_channels, embed_dim
        kernel_size = [temporal_patch_size, patch_size, patch_size]
        self.proj = nn.Conv3d(in_channels, embed_dim, kernel_size=kernel_size, stride=kernel_size, bias=False)

    def forward(self, hidden_states):
        target_dtype = self.proj.weight.dtype
        hidden_states = hidden_states.view(
            -1, self.in_channels, self.temporal_patch_size, self.patch_size, self.patch_size
        )
        return self.proj(hidden_states.to(dtype=target_dtype)).view(-1, self.embed_dim)


# MLPerf's ResNet on TPUs: 7x7 / 2 becomes 4x4 / 1 on 2x2 blocks
class SpaceToDepthStem(nn.Module):
    def __init__(self, width=4, before=4, after=2):
        super().__init__()
        self.pad = (before, after, before, after)
        self.conv = nn.Conv2d(12, width, 4, bias=False)

    def forward(self, x):
        x = F.pad(x, self.pad)
        n, c, h, w = x.shape
        x = x.view(n, c, h // 2, 2, w // 2, 2)
        x = x.permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
        return self.conv(x)


# YOLOv5: Focus, which release 6.0 replaced by a 6x6 convolution
class Focus(nn.Module):
    def __init__(self, c1=3, c2=4, k=3):
        super().__init__()
        self.conv = nn.Conv2d(c1 * 4, c2, k, 1, k // 2)

    def forward(self, x):  # x(b,c,w,h) -> y(b,4c,w/2,h/2)
        return self.conv(torch.cat((x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]), 1))


# Audio Spectrogram Transformer: time and frequency change places, patches overlap
class SpectrogramEmbed(nn.Module):
    def __init__(self, patch=4, fstride=3, tstride=2, dim=5):
        super().__init__()
        self.projection = nn.Conv2d(1, dim, kernel_size=(patch, patch), stride=(fstride, tstride))

    def forward(self, input_values):
        input_values = input_values.unsqueeze(1)
        input_values = input_values.transpose(2, 3)
        return self.projection(input_values).flatten(2).transpose(1, 2)


class SpectrogramLinear(nn.Module):
    def __init__(self, patch=4, fstride=3, tstride=2, dim=5):
        super().__init__()
        self.patch, self.fstride, self.tstride = patch, fstride, tstride
        self.linear = nn.Linear(patch * patch, dim)

    def forward(self, spec):  # batch, time, frequency
        spec = spec.transpose(1, 2)
        windows = spec.unfold(1, self.patch, self.fstride).unfold(2, self.patch, self.tstride)
        return self.linear(windows.flatten(3)).flatten(1, 2)


class SpectrogramLinearAsItComes(SpectrogramLinear):
    def forward(self, spec):
        windows = spec.unfold(1, self.patch, self.fstride).unfold(2, self.patch, self.tstride)
        return self.linear(windows.flatten(3)).flatten(1, 2)


FOCUS = "o (b a i) kh kw -> o i (kh a) (kw b), a=2, b=2"
STEM = "weight: o i kh kw -> o i kh kw | pad kh 1 0 | pad kw 1 0 | o i (kh a) (kw b) -> o (a b i) kh kw, a=2, b=2"

PAIRS = (
    Pair(
        "ViViT's tubelets",
        ":TubeletEmbed()",
        ":TubeletLinear()",
        ("1,4,3,8,4",),
        "time behind the pixels in a tubelet",
        ":TubeletLinearTimeLast()",
        {"proj.weight": "projection.weight: o i kt kh kw -> o (kt kh kw i)", "proj.bias": "projection.bias"},
    ),
    Pair(
        "Qwen2-VL's patches are rows already",
        ":VisionPatchEmbed()",
        "Linear(96, 8, bias=False)",
        ("5,96",),
        "the weight is laid out time first, the rows are not",
        map={"weight": "proj.weight: o i kt kh kw -> o (i kt kh kw)"},
        twin_map={"weight": "proj.weight: o i kt kh kw -> o (kt i kh kw)"},
    ),
    Pair(
        "ResNet's stem on blocks of 2x2 pixels",
        "Conv2d(3, 4, 7, stride=2, padding=3, bias=False)",
        ":SpaceToDepthStem()",
        ("1,3,12,8",),
        "padding exchanged between the two borders",
        ":SpaceToDepthStem(4, 2, 4)",
        {"conv.weight": STEM},
    ),
    Pair(
        "YOLO's Focus as a 6x6 convolution",
        ":Focus()",
        "Conv2d(3, 4, 6, stride=2, padding=2)",
        ("1,3,8,10",),
        "the slices are taken for row-major",
        map={"weight": f"conv.weight: {FOCUS}", "bias": "conv.bias"},
        twin_map={"weight": f"conv.weight: {FOCUS.replace('b a i', 'a b i')}", "bias": "conv.bias"},
    ),
    Pair(
        "spectrograms in overlapping patches",
        ":SpectrogramEmbed()",
        ":SpectrogramLinear()",
        ("2,10,10",),
        "time and frequency are not exchanged",
        ":SpectrogramLinearAsItComes()",
        {"linear.weight": "projection.weight: o 1 kh kw -> o (kh kw)", "linear.bias": "projection.bias"},
    ),
)
