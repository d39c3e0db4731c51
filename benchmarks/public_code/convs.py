# mypy: ignore-errors
"""Convolutions: merged, split, grouped, flipped, in the layouts of other frameworks."""

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
        self.kernel = nn.Parameter(torch.zeros(3, 3, 2, 8))
        self.bias = nn.Parameter(torch.zeros(8))

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
        self.kernel = nn.Parameter(torch.zeros(3, 3, 2, 4))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        patches = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).unfold(1, 3, 1).unfold(2, 3, 1)
        return torch.einsum("bhwipq,pqio->bohw", patches, self.kernel) + self.bias[:, None, None]


def to_keras(state):
    return {"kernel": state["weight"].permute(2, 3, 1, 0), "bias": state["bias"]}


# Keras: depthwise kernels are rows, columns, inputs, multiplier
class KerasDepthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise_kernel = nn.Parameter(torch.zeros(3, 3, 4, 1))

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
        self.kernel = nn.Parameter(torch.zeros(18, 3))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1) @ self.kernel + self.bias


def to_flax_dense(state):
    return {"kernel": rearrange(state["fc.weight"], "o (c h w) -> (h w c) o", c=2, h=3), "bias": state["fc.bias"]}


# Haiku and Flax: a transposed convolution whose kernel is not flipped
class FlaxTransposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(3, 2, 4))

    def forward(self, x):
        stuffed = F.pad(torch.stack([x, torch.zeros_like(x)], -1).flatten(2), (2, 1))
        return F.conv1d(stuffed, self.kernel.permute(2, 1, 0))


def to_flax_transposed(state):
    return {"kernel": state["weight"].permute(2, 0, 1).flip(0)}


def transposed_to_conv(state):
    return {"weight": state["weight"].transpose(0, 1).flip(2, 3), "bias": state["bias"]}


# ConvNeXt: a depthwise convolution between permutes, and the multiplications in a loop over taps
class Taps(nn.Module):
    def __init__(self):
        super().__init__()
        self.taps = nn.Parameter(torch.zeros(9, 4))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        h, w = x.shape[2:]
        x = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
        y = self.bias
        for k in range(9):
            y = y + x[:, k // 3 : k // 3 + h, k % 3 : k % 3 + w] * self.taps[k]
        return y.permute(0, 3, 1, 2)


def to_taps(state):
    return {"taps": rearrange(state["weight"], "c 1 p q -> (p q) c"), "bias": state["bias"]}


# ResNeXt: grouped, dense, and a list of convolutions
def grouped_to_dense(state):
    blocks = [F.pad(block, (0, 0, 0, 0, 2 * g, 2 - 2 * g)) for g, block in enumerate(state["weight"].chunk(2))]
    return {"weight": torch.cat(blocks), "bias": state["bias"]}


class ListOfConvs(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(2, 3, 3, padding=1) for _ in range(2)])

    def forward(self, x):
        return torch.cat([conv(part) for conv, part in zip(self.convs, x.chunk(2, 1), strict=True)], 1)


def grouped_to_list(state):
    return {
        f"convs.{g}.{name}": part for name in ("weight", "bias") for g, part in enumerate(state[name].chunk(2))
    }


# RepVGG
class RepVGG(nn.Module):
    def __init__(self):
        super().__init__()
        self.rbr_dense = nn.Conv2d(3, 3, 3, padding=1)
        self.rbr_1x1 = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, x):
        return self.rbr_dense(x) + self.rbr_1x1(x) + x


class RepVGGDeployed(nn.Module):
    def __init__(self):
        super().__init__()
        self.rbr_reparam = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.rbr_reparam(x)


def repvgg(state):
    identity = F.pad(torch.eye(3, dtype=torch.float64)[..., None, None], (1, 1, 1, 1))
    weight = state["rbr_dense.weight"] + F.pad(state["rbr_1x1.weight"], (1, 1, 1, 1)) + identity
    return {"rbr_reparam.weight": weight, "rbr_reparam.bias": state["rbr_dense.bias"]}


# torchvision: a convolution and its batch norm
class ConvNorm(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3))


def fused_norm(state):
    factor = state["1.weight"] / torch.sqrt(state["1.running_var"] + 1e-5)
    return {
        "weight": state["0.weight"] * factor[:, None, None, None],
        "bias": state["1.bias"] - state["1.running_mean"] * factor,
    }


# ACNet and UniRepLKNet: smaller kernels, strips and dilated ones in one
class Asymmetric(nn.Module):
    def __init__(self):
        super().__init__()
        self.square = nn.Conv2d(2, 3, 3, padding=1)
        self.ver = nn.Conv2d(2, 3, (3, 1), padding=(1, 0), bias=False)
        self.hor = nn.Conv2d(2, 3, (1, 3), padding=(0, 1), bias=False)

    def forward(self, x):
        return self.square(x) + self.ver(x) + self.hor(x)


def asymmetric(state):
    strips = F.pad(state["ver.weight"], (1, 1)) + F.pad(state["hor.weight"], (0, 0, 1, 1))
    return {"weight": state["square.weight"] + strips, "bias": state["square.bias"]}


def dilated_to_dense(state):
    weight = state["weight"].new_zeros(3, 1, 5, 5)
    weight[:, :, ::2, ::2] = state["weight"]
    return {"weight": weight, "bias": state["bias"]}


# Inception: branches side by side
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch1 = nn.Conv2d(2, 2, 1)
        self.branch2 = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x)], 1)


def branches(state):
    return {
        "weight": torch.cat([F.pad(state["branch1.weight"], (1, 1, 1, 1)), state["branch2.weight"]]),
        "bias": torch.cat([state["branch1.bias"], state["branch2.bias"]]),
    }


# Inception v3: 1x3 behind 3x1, without anything between them
class Factorised(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(2, 2, (3, 1)), nn.Conv2d(2, 3, (1, 3)))


def factorised(state):
    last = state["1.weight"][:, :, 0]
    return {
        "weight": torch.einsum("omq,mip->oipq", last, state["0.weight"][..., 0]),
        "bias": torch.einsum("omq,m->o", last, state["0.bias"]) + state["1.bias"],
    }


# fairseq: time, batch, channels; and one kernel for several channels
class ConvTBC(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2, 4))
        self.bias = nn.Parameter(torch.zeros(4))

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


class LightConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 1, 3))

    def forward(self, x):  # b c t
        b, c, t = x.shape
        return F.conv1d(x.view(-1, 2, t), self.weight, padding=1, groups=2).view(b, c, t)


def light_to_depthwise(state):
    return {"weight": state["weight"].repeat(2, 1, 1)}


# I3D: a convolution of images, inflated; the frames before and behind meet zeros
class PerFrame(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 2)

    def forward(self, x):  # b c t h w
        t = x.shape[2]
        return rearrange(self.conv(rearrange(x, "b c t h w -> (b t) c h w")), "(b t) c h w -> b c t h w", t=t)


def inflated(state):
    return {"weight": F.pad(state["conv.weight"][:, :, None], (0, 0, 0, 0, 1, 1)), "bias": state["conv.bias"]}


# wav2vec 2.0: a convolution over the raw wave, and windows with a product
class Windows(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 3))

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
    Solvable("transposed-to-sub-pixel", "ESPCN", "ConvTranspose2d(2, 3, 2, stride=2)", ":SubPixel()", ("1,2,3,4",),
             "transposed_to_sub_pixel", note="a repeated bias"),
    Solvable("sub-pixel-to-tensorflow", "ESPCN, PyTorch to TensorFlow", ":ShuffleStem()", ":DepthToSpace()",
             ("1,2,4,5",), "shuffle_to_tensorflow"),
    Solvable("keras-conv", "torchvision to Keras", "Conv2d(2, 4, 3, padding=1)", ":KerasConv2D()", ("1,2,4,5",),
             "to_keras"),
    Solvable("keras-depthwise", "torchvision (MobileNet) to Keras", "Conv2d(4, 4, 3, padding=1, groups=4, bias=False)",
             ":KerasDepthwise()", ("1,4,4,5",), "to_keras_depthwise"),
    Solvable("flax-dense", "torchvision to Flax", ":FlattenLinear()", ":FlaxDense()", ("9,2,3,3",), "to_flax_dense"),
    Solvable("flax-transposed", "torchvision to Flax", "ConvTranspose1d(2, 4, 3, stride=2, output_padding=1, bias=False)",
             ":FlaxTransposed()", ("2,2,5",), "to_flax_transposed", note="a flip"),
    Solvable("transposed-to-conv", "DCGAN", "ConvTranspose2d(2, 3, 3, padding=1)", "Conv2d(2, 3, 3, padding=1)",
             ("1,2,4,5",), "transposed_to_conv", note="a flip, inputs and outputs swapped"),
    Solvable("depthwise-taps", "ConvNeXt to MLX", "Conv2d(4, 4, 3, padding=1, groups=4)", ":Taps()", ("1,4,4,5",),
             "to_taps"),
    Solvable("grouped-to-dense", "torchvision (ResNeXt)", "Conv2d(4, 6, 3, padding=1, groups=2)",
             "Conv2d(4, 6, 3, padding=1)", ("1,4,5,5",), "grouped_to_dense", note="zeros off the diagonal"),
    Solvable("grouped-to-list", "torchvision (ResNeXt) to Caffe2", "Conv2d(4, 6, 3, padding=1, groups=2)",
             ":ListOfConvs()", ("1,4,5,5",), "grouped_to_list", note="split in two"),
    Solvable("repvgg", "RepVGG, train to deploy", ":RepVGG()", ":RepVGGDeployed()", ("1,3,4,4",), "repvgg",
             note="a sum, with an identity"),
    Solvable("conv-norm", "torchvision (ResNet) to TensorRT", ":ConvNorm()", "Conv2d(2, 3, 3)", ("1,2,5,5",),
             "fused_norm", polynomial=False, exact=False, note="a product with a root of a buffer"),
    Solvable("acnet", "ACNet", ":Asymmetric()", "Conv2d(2, 3, 3, padding=1)", ("1,2,5,5",), "asymmetric"),
    Solvable("dilated-to-dense", "UniRepLKNet", "Conv2d(3, 3, 3, padding=2, dilation=2, groups=3)",
             "Conv2d(3, 3, 5, padding=2, groups=3)", ("1,3,6,6",), "dilated_to_dense", note="zeros between entries"),
    Solvable("inception-branches", "torchvision (Inception)", ":Branches()", "Conv2d(2, 5, 3, padding=1)",
             ("1,2,4,4",), "branches", note="a concatenation of unlike kernels"),
    Solvable("factorised", "torchvision (Inception v3)", ":Factorised()", "Conv2d(2, 3, 3)", ("1,2,5,5",),
             "factorised", note="a product of two layers"),
    Solvable("conv-tbc", "transformers to fairseq", ":TimeFirst()", ":ConvTBC()", ("6,2,2",), "to_tbc"),
    Solvable("light-conv", "fairseq (LightConv)", ":LightConv()", "Conv1d(4, 4, 3, padding=1, groups=4, bias=False)",
             ("2,4,6",), "light_to_depthwise", note="heads repeated over channels"),
    Solvable("inflated", "torchvision to I3D", ":PerFrame()", "Conv3d(2, 3, (3, 2, 2), padding=(1, 0, 0))",
             ("1,2,3,3,3",), "inflated", note="a slice among zeros"),
    Solvable("wave-windows", "fairseq (wav2vec 2.0) to torchaudio", "Conv1d(1, 3, 5, stride=2, bias=False)",
             ":Windows()", ("2,1,13",), "wave_windows"),
    Solvable("backwards", "StyleGAN2 (upfirdn)", "Conv1d(2, 2, 3, bias=False)", ":Backwards()", ("2,2,7",),
             "backwards", note="a flip"),
]
