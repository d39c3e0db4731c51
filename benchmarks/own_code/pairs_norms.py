# mypy: ignore-errors
"""Normalisation by hand, with its axes, its eps and its variance."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.own_code.record import Pair


# ConvNeXt
class LayerNormChannelsFirst(nn.Module):
    def __init__(self, normalized_shape, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(normalized_shape))
        self.bias = nn.Parameter(torch.zeros(normalized_shape))
        self.eps = eps

    def forward(self, x):
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class LayerNormUnbiased(LayerNormChannelsFirst):
    def forward(self, x):
        s, u = torch.var_mean(x, dim=1, keepdim=True)
        x = (x - u) / torch.sqrt(s + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class LayerNormPermuted(nn.LayerNorm):
    def forward(self, x):
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


# Llama
class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x) * self.weight


# T5 ports: by the length of a vector
class ScaleNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.dim, self.eps = dim, eps
        self.g = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        square = (x * x).sum(dim=-1, keepdim=True)
        return x / torch.sqrt(square / self.dim + self.eps) * self.g


class ScaleNormEpsOutside(ScaleNorm):
    def forward(self, x):
        rms = x.norm(dim=-1, keepdim=True) * self.dim**-0.5
        return x / (rms + self.eps) * self.g


# a group norm where there is none
class GroupNormByHand(nn.Module):
    def __init__(self, num_groups, num_channels, eps=1e-5):
        super().__init__()
        self.num_groups, self.eps = num_groups, eps
        self.gamma = nn.Parameter(torch.ones(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def normalize(self, x):
        b, c, h, w = x.shape
        g = x.reshape(b, self.num_groups, -1)
        g = (g - g.mean(2, keepdim=True)) / torch.sqrt(g.var(2, unbiased=False, keepdim=True) + self.eps)
        return g.view(b, c, h, w)

    def forward(self, x):
        return self.normalize(x) * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class GroupNormStrided(GroupNormByHand):
    def normalize(self, x):
        b, c, h, w = x.shape
        g = x.view(b, c // self.num_groups, self.num_groups, h, w)
        mean = g.mean((1, 3, 4), keepdim=True)
        var = g.var((1, 3, 4), unbiased=False, keepdim=True)
        return ((g - mean) / torch.sqrt(var + self.eps)).reshape(b, c, h, w)


PAIRS = (
    Pair(
        "LayerNorm, channels first",
        ":LayerNormPermuted(6, 1e-6)",
        ":LayerNormChannelsFirst(6)",
        ("2,6,3,4",),
        "the variance is the unbiased one",
        ":LayerNormUnbiased(6)",
    ),
    Pair(
        "RMSNorm by the length of a vector",
        ":RMSNorm(6)",
        ":ScaleNorm(6)",
        ("2,5,6",),
        "eps is added to the root",
        ":ScaleNormEpsOutside(6)",
        {"g": "weight"},
    ),
    Pair(
        "GroupNorm by reshape",
        "torch.nn:GroupNorm(2, 6)",
        ":GroupNormByHand(2, 6)",
        ("2,6,3,4",),
        "channels of a group lie apart",
        ":GroupNormStrided(2, 6)",
        {"gamma": "weight", "beta": "bias"},
    ),
)
