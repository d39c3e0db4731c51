# mypy: ignore-errors
"""Stems and positions: blocks for strides, class tokens, frames of a spectrogram."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from benchmarks.public_code.record import Solvable, Truth


# CLIP in transformers, and in OpenCLIP
class CLIPVisionEmbeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(4))
        self.patch_embedding = nn.Conv2d(3, 4, 2, stride=2, bias=False)
        self.position_embedding = nn.Embedding(5, 4)

    def forward(self, pixel_values):
        patches = self.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        cls = self.class_embedding.expand(pixel_values.shape[0], 1, -1)
        return torch.cat([cls, patches], dim=1) + self.position_embedding(torch.arange(5))


class OpenCLIPStem(nn.Module):
    """The class token has its position already, as an export may fold it."""

    def __init__(self, folded):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 2, stride=2, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(4))
        self.positional_embedding = nn.Parameter(torch.randn(4 if folded else 5, 4))
        self.folded = folded

    def forward(self, x):
        x = self.conv1(x)
        x = x.reshape(x.shape[0], x.shape[1], -1).permute(0, 2, 1)
        cls = self.class_embedding.expand(x.shape[0], 1, -1)
        if self.folded:
            return torch.cat([cls, x + self.positional_embedding], dim=1)
        return torch.cat([cls, x], dim=1) + self.positional_embedding


def clip_to_open_clip(state):
    return {
        "conv1.weight": state["patch_embedding.weight"],
        "class_embedding": state["class_embedding"],
        "positional_embedding": state["position_embedding.weight"],
    }


def clip_to_open_clip_shifted(state):
    position = state["position_embedding.weight"].clone()
    position[0] += 1
    return clip_to_open_clip(state) | {
        "positional_embedding": position,
        "class_embedding": state["class_embedding"] - 1,
    }


def clip_folded(state):
    position = state["position_embedding.weight"]
    return {
        "conv1.weight": state["patch_embedding.weight"],
        "class_embedding": state["class_embedding"] + position[0],
        "positional_embedding": position[1:],
    }


# MLPerf's ResNet: 7x7 / 2 becomes 4x4 / 1 on blocks of 2x2
class SpaceToDepthStem(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.conv = nn.Conv2d(8, width, 4, bias=False)

    def forward(self, x):
        x = F.pixel_unshuffle(F.pad(x, (4, 2, 4, 2)), 2)
        return self.conv(x)


def stem(state):
    weight = F.pad(state["weight"], (1, 0, 1, 0))
    return {"conv.weight": rearrange(weight, "o i (kh p) (kw q) -> o (i p q) kh kw", p=2, q=2)}


# YOLOv5: Focus, and the 6x6 convolution that took its place
class Focus(nn.Module):
    def __init__(self, c1=2, c2=3):
        super().__init__()
        self.conv = nn.Conv2d(c1 * 4, c2, 3, 1, 1, bias=False)

    def forward(self, x):
        parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.conv(torch.cat(parts, 1))


def focus_to_conv(state):
    return {"weight": rearrange(state["conv.weight"], "o (q p i) kh kw -> o i (kh p) (kw q)", p=2, q=2)}


# Whisper: a convolution over the spectrogram, and the same on frames
class AudioStem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(3, 4, kernel_size=3, padding=1)

    def forward(self, x):  # b mel t
        return F.gelu(self.conv1(x)).permute(0, 2, 1)


class FramedStem(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(9, 4)

    def forward(self, x):
        frames = F.pad(x, (1, 1)).transpose(1, 2).unfold(1, 3, 1)  # b t mel k
        return F.gelu(self.proj(frames.transpose(2, 3).flatten(2)))


def whisper_frames(state):
    return {"proj.weight": rearrange(state["conv1.weight"], "o i k -> o (k i)"), "proj.bias": state["conv1.bias"]}


# timm adds positions to a map in some models, and to tokens in others
class TokenPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.randn(1, 6, 4))
        self.proj = nn.Conv2d(2, 4, 1)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2) + self.pos_embed


class GridPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.randn(1, 4, 2, 3))
        self.proj = nn.Conv2d(2, 4, 1, bias=False)

    def forward(self, x):
        return (self.proj(x) + self.pos_embed).flatten(2).transpose(1, 2)


def positions_to_grid(state):
    positions = state["pos_embed"] + state["proj.bias"]
    return {"pos_embed": rearrange(positions, "1 (h w) c -> 1 c h w", h=2), "proj.weight": state["proj.weight"]}


PAIRS = [
    Solvable(
        "clip-stem",
        "transformers (CLIP) to OpenCLIP",
        ":CLIPVisionEmbeddings()",
        ":OpenCLIPStem(False)",
        ("2,3,4,4",),
        "clip_to_open_clip",
        Truth.NOT_UNIQUE,
        "clip_to_open_clip_shifted",
        note="the class token and its position are added to nothing else",
    ),
    Solvable(
        "clip-stem-folded",
        "transformers (CLIP) to an export",
        ":CLIPVisionEmbeddings()",
        ":OpenCLIPStem(True)",
        ("2,3,4,4",),
        "clip_folded",
        note="a sum of two parameters",
    ),
    Solvable(
        "resnet-stem",
        "torchvision (ResNet) to MLPerf",
        "Conv2d(2, 3, 7, stride=2, padding=3, bias=False)",
        ":SpaceToDepthStem()",
        ("1,2,12,12",),
        "stem",
        note="a kernel among zeros",
    ),
    Solvable(
        "focus",
        "YOLOv5, before and after 6.0",
        ":Focus()",
        "Conv2d(2, 3, 6, stride=2, padding=2, bias=False)",
        ("4,2,8,8",),
        "focus_to_conv",
    ),
    Solvable(
        "whisper-stem",
        "Whisper to frames",
        ":AudioStem()",
        ":FramedStem()",
        ("2,3,7",),
        "whisper_frames",
        polynomial=False,
        exact=False,
    ),
    Solvable(
        "positions-on-grid",
        "timm, tokens to maps",
        ":TokenPositions()",
        ":GridPositions()",
        ("2,2,2,3",),
        "positions_to_grid",
        note="a bias goes into the positions",
    ),
]
