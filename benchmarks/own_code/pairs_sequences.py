# mypy: ignore-errors
"""Convolutions of sequences: causal, step by step, by matrix products and by transforms."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.own_code.record import Pair


# TCN: padding on both sides, and what is too much is chomped off
class Chomp(nn.Module):
    def __init__(self, c_in, c_out, k, dilation):
        super().__init__()
        self.padding = (k - 1) * dilation
        self.conv = nn.Conv1d(c_in, c_out, k, padding=self.padding, dilation=dilation)

    def forward(self, x):
        return self.conv(x)[:, :, : -self.padding].contiguous()


# EnCodec, WaveNet: padding on the left alone
class CausalConv1d(nn.Conv1d):
    def forward(self, x):
        left = (self.kernel_size[0] - 1) * self.dilation[0]
        return super().forward(F.pad(x, (left, 0)))


class CausalConv1dPaddedBehind(nn.Conv1d):
    def forward(self, x):
        left = (self.kernel_size[0] - 1) * self.dilation[0]
        return super().forward(F.pad(x, (0, left)))


# mamba: the depthwise causal convolution before the scan
class MambaConv(nn.Module):
    def __init__(self, d_inner, d_conv=4):
        super().__init__()
        self.conv1d = nn.Conv1d(d_inner, d_inner, d_conv, groups=d_inner, padding=d_conv - 1)

    def forward(self, x):  # b l d
        return self.conv1d(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)


# mamba.c and mamba-minimal: a rolling state of the last inputs
class MambaStep(nn.Module):
    def __init__(self, d_inner, d_conv=4):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_inner, d_conv))
        self.bias = nn.Parameter(torch.zeros(d_inner))

    def push(self, state, new):
        return torch.cat([state[:, :, 1:], new[:, :, None]], dim=2)

    def forward(self, x):
        state = x.new_zeros(x.shape[0], x.shape[2], self.weight.shape[1])
        out = []
        for t in range(x.shape[1]):
            state = self.push(state, x[:, t])
            out.append((state * self.weight).sum(dim=-1) + self.bias)
        return torch.stack(out, dim=1)


class MambaStepNewestFirst(MambaStep):
    def push(self, state, new):
        return torch.cat([new[:, :, None], state[:, :, :-1]], dim=2)


# Conv1d as unfold and a matrix product
class Conv1dMatmul(nn.Module):
    def __init__(self, c_in, c_out, k):
        super().__init__()
        self.k = k
        self.weight = nn.Parameter(torch.randn(c_out, c_in * k))
        self.bias = nn.Parameter(torch.zeros(c_out))

    def forward(self, x):
        windows = x.unfold(2, self.k, 1)  # b c l k
        columns = windows.permute(0, 2, 1, 3).flatten(2)
        return (columns @ self.weight.T + self.bias).transpose(1, 2)


# H3, Hyena: a long convolution by transforms
class FFTConv(nn.Module):
    def __init__(self, d_model, l_max):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(d_model, l_max))

    def forward(self, u):
        seqlen = u.shape[-1]
        fft_size = 2 * seqlen
        k_f = torch.fft.rfft(self.kernel, n=fft_size)
        u_f = torch.fft.rfft(u, n=fft_size)
        return torch.fft.irfft(u_f * k_f, n=fft_size)[..., :seqlen]


class FFTConvWrapped(FFTConv):
    def forward(self, u):
        seqlen = u.shape[-1]
        k_f = torch.fft.rfft(self.kernel, n=seqlen)
        u_f = torch.fft.rfft(u, n=seqlen)
        return torch.fft.irfft(u_f * k_f, n=seqlen)


class DirectLongConv(nn.Module):
    def __init__(self, d_model, l_max):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(d_model, l_max))

    def forward(self, u):
        k = self.kernel.flip(-1).unsqueeze(1)
        return F.conv1d(F.pad(u, (self.kernel.shape[1] - 1, 0)), k, groups=u.shape[1])


PAIRS = (
    Pair(
        "a causal convolution by padding on the left",
        ":Chomp(3, 4, 3, 2)",
        ":CausalConv1d(3, 4, 3, 1, 0, 2)",
        ("2,3,10",),
        "padding on the right",
        ":CausalConv1dPaddedBehind(3, 4, 3, 1, 0, 2)",
        {"weight": "conv.weight", "bias": "conv.bias"},
    ),
    Pair(
        "mamba's convolution, step by step",
        ":MambaConv(5)",
        ":MambaStep(5)",
        ("2,7,5",),
        "the state rolls the other way round",
        ":MambaStepNewestFirst(5)",
        {"weight": "conv1d.weight: d 1 kl -> d kl", "bias": "conv1d.bias"},
    ),
    Pair(
        "Conv1d by unfold and a matrix product",
        "Conv1d(3, 5, 4)",
        ":Conv1dMatmul(3, 5, 4)",
        ("2,3,9",),
        "the weight is laid out taps first",
        map={"weight": "weight: o i kl -> o (i kl)"},
        twin_map={"weight": "weight: o i kl -> o (kl i)"},
    ),
    Pair(
        "a long convolution by transforms",
        ":DirectLongConv(3, 8)",
        ":FFTConv(3, 8)",
        ("2,3,8",),
        "no zeros behind: the end wraps around to the beginning",
        ":FFTConvWrapped(3, 8)",
    ),
)
