# mypy: ignore-errors
"""Stages of image models in the package transformers, each written anew; run where it is installed."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from transformers import ConvNextConfig, SwinConfig
from transformers.models.convnext.modeling_convnext import ConvNextLayer
from transformers.models.segformer.modeling_segformer import SegformerOverlapPatchEmbeddings
from transformers.models.swin.modeling_swin import SwinPatchEmbeddings, SwinPatchMerging

from benchmarks.own_code.record import Pair


def swin():
    return SwinPatchEmbeddings(SwinConfig(embed_dim=8, image_size=8, patch_size=4))


class SwinLinear(nn.Module):
    def __init__(self, dim=8, patch=4):
        super().__init__()
        self.p = patch
        self.proj = nn.Linear(3 * patch * patch, dim)

    def pad(self, x):
        return F.pad(x, (0, -x.shape[3] % self.p, 0, -x.shape[2] % self.p))

    def forward(self, x):
        x = rearrange(self.pad(x), "b c (h p) (w q) -> b h w (p q c)", p=self.p, q=self.p)
        return self.proj(x).flatten(1, 2)


class SwinLinearPaddedBefore(SwinLinear):
    def pad(self, x):
        return F.pad(x, (-x.shape[3] % self.p, 0, -x.shape[2] % self.p, 0))


class SwinMerging(nn.Module):
    def __init__(self, dim=4):
        super().__init__()
        self.merging = SwinPatchMerging(dim)

    def forward(self, x):
        return self.merging(x, (4, 6))


class UnfoldMerging(nn.Module):
    def __init__(self, dim=4):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = rearrange(x, "b (h p w q) c -> b (h w) (c p q)", h=2, p=2, w=3, q=2)
        return self.reduction(self.norm(x))


def segformer():
    return SegformerOverlapPatchEmbeddings(7, 4, 3, 8)


class SegformerLinear(nn.Module):
    padding = 3

    def __init__(self, dim=8):
        super().__init__()
        self.proj = nn.Linear(3 * 49, dim)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, x):
        x = F.pad(x, [self.padding, 6 - self.padding] * 2)
        return self.layer_norm(self.proj(F.unfold(x, 7, stride=4).transpose(1, 2)))


class SegformerLinearShifted(SegformerLinear):
    padding = 2


def convnext():
    return ConvNextLayer(ConvNextConfig(), 4)


class ConvNextChannelsFirst(nn.Module):
    """The other of the two implementations that its author calls equivalent."""

    gamma_behind = True

    def __init__(self, dim=4):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm_weight, self.norm_bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.conv1, self.conv2 = nn.Conv2d(dim, 4 * dim, 1), nn.Conv2d(4 * dim, dim, 1)
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        y = self.dwconv(x)
        y = y - y.mean(1, keepdim=True)
        y = y / torch.sqrt((y * y).mean(1, keepdim=True) + 1e-6)
        y = self.norm_weight[:, None, None] * y + self.norm_bias[:, None, None]
        y = self.conv2(F.gelu(self.conv1(y)))
        gamma = self.gamma[:, None, None]
        return x + gamma * y if self.gamma_behind else gamma * (x + y)


class ConvNextScaledSkip(ConvNextChannelsFirst):
    gamma_behind = False


MERGED = {"norm.weight": "(q p c) -> (c p q), q=2, p=2", "reduction.weight": "o (q p c) -> o (c p q), q=2, p=2"}

PAIRS = (
    Pair(
        "SwinPatchEmbeddings",
        ":swin()",
        ":SwinLinear()",
        ("2,3,6,7",),
        "padding before the image",
        ":SwinLinearPaddedBefore()",
        {"proj.weight": "projection.weight: o i kh kw -> o (kh kw i)", "proj.bias": "projection.bias"},
        select="0",
    ),
    Pair(
        "SwinPatchMerging",
        ":SwinMerging()",
        ":UnfoldMerging()",
        ("2,24,4",),
        "rows and columns of the neighbours",
        map={
            **{name: f"merging.{name}: {text}" for name, text in MERGED.items()},
            "norm.bias": f"merging.norm.bias: {MERGED['norm.weight']}",
        },
        twin_map={
            **{name: f"merging.{name}: {text}".replace("(q p c)", "(p q c)") for name, text in MERGED.items()},
            "norm.bias": f"merging.norm.bias: {MERGED['norm.weight']}",
        },
    ),
    Pair(
        "SegformerOverlapPatchEmbeddings",
        ":segformer()",
        ":SegformerLinear()",
        ("1,3,16,12",),
        "one row and column of padding too few before the image",
        ":SegformerLinearShifted()",
        {"proj.weight": "proj.weight: o i kh kw -> o (i kh kw)"},
        select="0",
    ),
    Pair(
        "ConvNextLayer",
        ":convnext()",
        ":ConvNextChannelsFirst()",
        ("1,4,5,6",),
        "the skip is scaled, too",
        ":ConvNextScaledSkip()",
        {
            "norm_weight": "layernorm.weight",
            "norm_bias": "layernorm.bias",
            "gamma": "layer_scale_parameter",
            "conv1.weight": "pwconv1.weight: o i -> o i 1 1",
            "conv1.bias": "pwconv1.bias",
            "conv2.weight": "pwconv2.weight: o i -> o i 1 1",
            "conv2.bias": "pwconv2.bias",
        },
    ),
)
