# mypy: ignore-errors
"""Convolutions that are flipped, split, cut into taps, in the layouts of other frameworks."""

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import nn

from benchmarks.public_code.record import Solvable


# ESPCN: a transposed convolution, or PixelShuffle behind a pointwise one
class SubPixel(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 12, 1)
        self.pixel_shuffle = nn.PixelShuffle(2)

    def forward(self, x):
        return self.pixel_shuffle(self.conv(x))


def transposed_to_sub_pixel(state):
    return {
        "conv.weight": rearrange(state["weight"], "i o p q -> (o p q) i 1 1"),
        "conv.bias": repeat(state["bias"], "o -> (o k)", k=4),
    }


# ESPCN in TensorFlow: depth_to_space, channels last and behind the block
class DepthToSpace(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(3, 3, 2, 8))
        self.bias = nn.Parameter(torch.randn(8))

    def forward(self, x):
        y = F.conv2d(x, self.kernel.permute(3, 2, 0, 1), self.bias, padding=1)
        return rearrange(y, "b (p q c) h w -> b c (h p) (w q)", p=2, q=2)


class ShuffleStem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 8, 3, padding=1)

    def forward(self, x):
        return F.pixel_shuffle(self.conv(x), 2)


def shuffle_to_tensorflow(state):
    return {
        "kernel": rearrange(state["conv.weight"], "(c p q) i kh kw -> kh kw i (p q c)", p=2, q=2),
        "bias": rearrange(state["conv.bias"], "(c p q) -> (p q c)", p=2, q=2),
    }


# Keras: kernels are rows, columns, inputs, outputs
class KerasConv2D(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(3, 3, 2, 4))
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x):
        patches = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).unfold(1, 3, 1).unfold(2, 3, 1)
        return torch.einsum("bhwipq,pqio->bohw", patches, self.kernel) + self.bias[:, None, None]


def to_keras(state):
    return {"kernel": state["weight"].permute(2, 3, 1, 0), "bias": state["bias"]}


# Keras: depthwise kernels are rows, columns, inputs, multiplier
class KerasDepthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise_kernel = nn.Parameter(torch.randn(3, 3, 4, 1))

    def forward(self, x):
        return F.conv2d(x, self.depthwise_kernel.permute(2, 3, 0, 1), padding=1, groups=4)


def to_keras_depthwise(state):
    return {"depthwise_kernel": state["weight"].permute(2, 3, 0, 1)}


# Flax: a Dense layer behind a flatten with channels last
class FlattenLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(18, 3)

    def forward(self, x):
        return self.fc(x.flatten(1))


class FlaxDense(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(18, 3))
        self.bias = nn.Parameter(torch.randn(3))

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1) @ self.kernel + self.bias


def to_flax_dense(state):
    return {"kernel": rearrange(state["fc.weight"], "o (c h w) -> (h w c) o", c=2, h=3), "bias": state["fc.bias"]}


# Haiku and Flax: a transposed convolution whose kernel is not flipped
class FlaxTransposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(3, 2, 4))

    def forward(self, x):
        stuffed = F.pad(torch.stack([x, torch.zeros_like(x)], -1).flatten(2), (2, 2))
        return F.conv1d(stuffed, self.kernel.permute(2, 1, 0))


def to_flax_transposed(state):
    return {"kernel": state["weight"].permute(2, 0, 1).flip(0)}


def transposed_to_conv(state):
    return {"weight": state["weight"].transpose(0, 1).flip(2, 3), "bias": state["bias"]}


# ConvNeXt: a depthwise convolution between permutes, and the multiplications in a loop over taps
class Taps(nn.Module):
    def __init__(self):
        super().__init__()
        self.taps = nn.Parameter(torch.randn(9, 4))
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x):
        h, w = x.shape[2:]
        x = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
        y = self.bias
        for k in range(9):
            y = y + x[:, k // 3 : k // 3 + h, k % 3 : k % 3 + w] * self.taps[k]
        return y.permute(0, 3, 1, 2)


def to_taps(state):
    return {"taps": rearrange(state["weight"], "c 1 p q -> (p q) c"), "bias": state["bias"]}


class ListOfConvs(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(2, 3, 3, padding=1) for _ in range(2)])

    def forward(self, x):
        return torch.cat([conv(part) for conv, part in zip(self.convs, x.chunk(2, 1), strict=True)], 1)


def grouped_to_list(state):
    return {f"convs.{g}.{name}": part for name in ("weight", "bias") for g, part in enumerate(state[name].chunk(2))}


# fairseq: time, batch, channels; and one kernel for several channels
class ConvTBC(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2, 4))
        self.bias = nn.Parameter(torch.randn(4))

    def forward(self, x):  # t b c
        return torch.conv_tbc(x, self.weight, self.bias, 1)


class TimeFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, padding=1)

    def forward(self, x):
        return self.conv(x.permute(1, 2, 0)).permute(2, 0, 1)


def to_tbc(state):
    return {"weight": state["conv.weight"].permute(2, 1, 0), "bias": state["conv.bias"]}


# wav2vec 2.0: a convolution over the raw wave, and windows with a product
class Windows(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 3))

    def forward(self, x):
        return (x.squeeze(1).unfold(1, 5, 2) @ self.weight).transpose(1, 2)


def wave_windows(state):
    return {"weight": rearrange(state["weight"], "o 1 k -> k o")}


# StyleGAN and FIR filters: the input runs backwards
class Backwards(nn.Module):
    def __init__(self):
        super().__init__()
        self.fir = nn.Conv1d(2, 2, 3, bias=False)

    def forward(self, x):
        return self.fir(x.flip(-1)).flip(-1)


def backwards(state):
    return {"fir.weight": state["weight"].flip(2)}


PAIRS = [
    Solvable(
        "transposed-to-sub-pixel",
        "ESPCN",
        "ConvTranspose2d(2, 3, 2, stride=2)",
        ":SubPixel()",
        ("1,2,3,4",),
        "transposed_to_sub_pixel",
        note="a repeated bias",
    ),
    Solvable(
        "sub-pixel-to-tensorflow",
        "ESPCN, PyTorch to TensorFlow",
        ":ShuffleStem()",
        ":DepthToSpace()",
        ("1,2,4,5",),
        "shuffle_to_tensorflow",
    ),
    Solvable(
        "keras-conv", "torchvision to Keras", "Conv2d(2, 4, 3, padding=1)", ":KerasConv2D()", ("1,2,4,5",), "to_keras"
    ),
    Solvable(
        "keras-depthwise",
        "torchvision (MobileNet) to Keras",
        "Conv2d(4, 4, 3, padding=1, groups=4, bias=False)",
        ":KerasDepthwise()",
        ("1,4,4,5",),
        "to_keras_depthwise",
    ),
    Solvable("flax-dense", "torchvision to Flax", ":FlattenLinear()", ":FlaxDense()", ("9,2,3,3",), "to_flax_dense"),
    Solvable(
        "flax-transposed",
        "torchvision to Flax",
        "ConvTranspose1d(2, 4, 3, stride=2, output_padding=1, bias=False)",
        ":FlaxTransposed()",
        ("2,2,5",),
        "to_flax_transposed",
        note="a flip",
    ),
    Solvable(
        "transposed-to-conv",
        "DCGAN",
        "ConvTranspose2d(2, 3, 3, padding=1)",
        "Conv2d(2, 3, 3, padding=1)",
        ("1,2,4,5",),
        "transposed_to_conv",
        note="a flip, inputs and outputs swapped",
    ),
    Solvable(
        "depthwise-taps", "ConvNeXt to MLX", "Conv2d(4, 4, 3, padding=1, groups=4)", ":Taps()", ("1,4,4,5",), "to_taps"
    ),
    Solvable(
        "grouped-to-list",
        "torchvision (ResNeXt) to Caffe2",
        "Conv2d(4, 6, 3, padding=1, groups=2)",
        ":ListOfConvs()",
        ("1,4,5,5",),
        "grouped_to_list",
        note="split in two",
    ),
    Solvable("conv-tbc", "transformers to fairseq", ":TimeFirst()", ":ConvTBC()", ("6,2,2",), "to_tbc"),
    Solvable(
        "wave-windows",
        "fairseq (wav2vec 2.0) to torchaudio",
        "Conv1d(1, 3, 5, stride=2, bias=False)",
        ":Windows()",
        ("2,1,13",),
        "wave_windows",
    ),
    Solvable(
        "backwards",
        "StyleGAN2 (upfirdn)",
        "Conv1d(2, 2, 3, bias=False)",
        ":Backwards()",
        ("2,2,7",),
        "backwards",
        note="a flip",
    ),
]
