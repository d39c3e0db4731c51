# mypy: ignore-errors
"""Gates and mixers: GLU, SwiGLU, squeeze-excite, MLP-Mixer, recurrent cells by hand."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.own_code.record import Pair


# fairseq
class GatedConv(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv1d(c, 2 * c, 3, padding=1)

    def forward(self, x):
        return F.glu(self.conv(x), dim=1)


class GatedConvChunks(nn.Module):
    value_first = True

    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv1d(c, 2 * c, 3, padding=1)

    def forward(self, x):
        value, gate = torch.chunk(self.conv(x), 2, dim=1)
        if not self.value_first:
            value, gate = gate, value
        return value * torch.sigmoid(gate)


class GatedConvExchanged(GatedConvChunks):
    value_first = False


# Llama
class FeedForward(nn.Module):
    def __init__(self, dim, hidden_dim):
        super().__init__()
        self.w1 = nn.Linear(dim, hidden_dim, bias=False)
        self.w2 = nn.Linear(hidden_dim, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden_dim, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


# xformers, DINOv2
class SwiGLUFFN(nn.Module):
    def __init__(self, in_features, hidden_features):
        super().__init__()
        self.w12 = nn.Linear(in_features, 2 * hidden_features, bias=False)
        self.w3 = nn.Linear(hidden_features, in_features, bias=False)

    def forward(self, x):
        x1, x2 = self.w12(x).chunk(2, dim=-1)
        return self.w3(F.silu(x1) * x2)


# senet.pytorch
class SELayer(nn.Module):
    def __init__(self, channel, reduction=2):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, channel // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channel // reduction, channel, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.avg_pool(x).view(b, c)
        y = self.fc(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


# EfficientNet, torchvision
class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeeze):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeeze, 1, bias=False)
        self.fc2 = nn.Conv2d(squeeze, channels, 1, bias=False)

    def pool(self, x):
        return x.mean((2, 3), keepdim=True)

    def forward(self, x):
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(self.pool(x))))) * x


class SqueezeExcitationSum(SqueezeExcitation):
    def pool(self, x):
        return x.sum((2, 3), keepdim=True)


# MLP-Mixer with transpositions
class MixerBlock(nn.Module):
    def __init__(self, tokens, channels, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.token_mix = nn.Sequential(nn.Linear(tokens, hidden), nn.GELU(), nn.Linear(hidden, tokens))
        self.channel_mix = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))

    def forward(self, x):
        x = x + self.token_mix(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channel_mix(self.norm2(x))


# mlp-mixer-pytorch: tokens are the channels of a Conv1d
class MixerBlockConv(nn.Module):
    def __init__(self, tokens, channels, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.token_mix = nn.Sequential(nn.Conv1d(tokens, hidden, 1), nn.GELU(), nn.Conv1d(hidden, tokens, 1))
        self.channel_mix = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))

    def forward(self, x):
        x = self.token_mix(self.norm1(x)) + x
        return self.channel_mix(self.norm2(x)) + x


class MixerBlockNoTranspose(nn.Module):
    def __init__(self, tokens, channels, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.token_mix = nn.Sequential(nn.Conv1d(tokens, hidden, 1), nn.GELU(), nn.Conv1d(hidden, tokens, 1))
        self.channel_mix = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))

    def forward(self, x):
        x = self.token_mix(self.norm1(x).transpose(1, 2)).transpose(1, 2) + x
        return self.channel_mix(self.norm2(x)) + x


class GRUByHand(nn.Module):
    reset_first = False

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.ih = nn.Linear(input_size, 3 * hidden_size)
        self.hh = nn.Linear(hidden_size, 3 * hidden_size)

    def forward(self, x, h):
        gi, gh = self.ih(x), self.hh(h)
        i_r, i_z, i_n = gi.chunk(3, 1)
        h_r, h_z, h_n = gh.chunk(3, 1)
        r, z = torch.sigmoid(i_r + h_r), torch.sigmoid(i_z + h_z)
        if self.reset_first:  # as in the paper, and in TensorFlow
            h_n = F.linear(r * h, self.hh.weight.chunk(3)[2], self.hh.bias.chunk(3)[2])
            n = torch.tanh(i_n + h_n)
        else:
            n = torch.tanh(i_n + r * h_n)
        return n + z * (h - n)


class GRUResetBefore(GRUByHand):
    reset_first = True


class TorchLSTM(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    def forward(self, x, h, c):
        return self.cell(x, (h, c))


class LSTMByHand(nn.Module):
    order = (0, 1, 2, 3)

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(input_size + hidden_size, 4 * hidden_size))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))

    def forward(self, x, h, c):
        gates = torch.split(torch.cat([x, h], 1) @ self.kernel + self.bias, h.shape[1], dim=1)
        i, f, g, o = (gates[k] for k in self.order)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class LSTMByHandGatesAsTensorFlow(LSTMByHand):
    order = (0, 2, 1, 3)


PAIRS = (
    Pair(
        "GLU by chunk",
        ":GatedConv(3)",
        ":GatedConvChunks(3)",
        ("2,3,7",),
        "the gate is taken for the value",
        ":GatedConvExchanged(3)",
    ),
    Pair(
        "SwiGLU, fused",
        ":FeedForward(4, 6)",
        ":SwiGLUFFN(4, 6)",
        ("2,3,4",),
        "gate and value are concatenated the other way round",
        map={"w12.weight": "[w1.weight; w3.weight]", "w3.weight": "w2.weight"},
        twin_map={"w12.weight": "[w3.weight; w1.weight]", "w3.weight": "w2.weight"},
    ),
    Pair(
        "squeeze and excite by 1x1 convolutions",
        ":SELayer(4)",
        ":SqueezeExcitation(4, 2)",
        ("2,4,3,5",),
        "the sum in place of the mean",
        ":SqueezeExcitationSum(4, 2)",
        {"fc1.weight": "fc.0.weight: o i -> o i 1 1", "fc2.weight": "fc.2.weight: o i -> o i 1 1"},
    ),
    Pair(
        "a mixer's tokens as channels of Conv1d",
        ":MixerBlock(5, 5, 6)",
        ":MixerBlockConv(5, 5, 6)",
        ("2,5,5",),
        "channels are mixed for tokens",
        ":MixerBlockNoTranspose(5, 5, 6)",
        {
            "token_mix.0.weight": "token_mix.0.weight: o i -> o i 1",
            "token_mix.2.weight": "token_mix.2.weight: o i -> o i 1",
        },
    ),
    Pair(
        "a GRU cell by hand",
        "torch.nn:GRUCell(3, 4)",
        ":GRUByHand(3, 4)",
        ("2,3", "2,4"),
        "the state is reset before the matrix product",
        ":GRUResetBefore(3, 4)",
        {"ih.weight": "weight_ih", "ih.bias": "bias_ih", "hh.weight": "weight_hh", "hh.bias": "bias_hh"},
    ),
    Pair(
        "an LSTM cell on input and state at once",
        ":TorchLSTM(3, 4)",
        ":LSTMByHand(3, 4)",
        ("2,3", "2,4", "2,4"),
        "gates in the order of TensorFlow",
        ":LSTMByHandGatesAsTensorFlow(3, 4)",
        map={
            "kernel": "[cell.weight_ih: g i -> i g; cell.weight_hh: g i -> i g]",
            "bias": "cell.bias_ih + cell.bias_hh",
        },
        select="0",
    ),
)
