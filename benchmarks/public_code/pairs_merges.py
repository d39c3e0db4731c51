# mypy: ignore-errors
"""Convolutions that are merged, fused, embedded in zeros, repeated."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from benchmarks.public_code.record import Solvable


# ResNeXt: grouped, dense, and a list of convolutions
def grouped_to_dense(state):
    blocks = [F.pad(block, (0, 0, 0, 0, 2 * g, 2 - 2 * g)) for g, block in enumerate(state["weight"].chunk(2))]
    return {"weight": torch.cat(blocks), "bias": state["bias"]}


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


class LightConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 1, 3))

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


PAIRS = [
    Solvable(
        "grouped-to-dense",
        "torchvision (ResNeXt)",
        "Conv2d(4, 6, 3, padding=1, groups=2)",
        "Conv2d(4, 6, 3, padding=1)",
        ("1,4,5,5",),
        "grouped_to_dense",
        note="zeros off the diagonal",
    ),
    Solvable(
        "repvgg",
        "RepVGG, train to deploy",
        ":RepVGG()",
        ":RepVGGDeployed()",
        ("1,3,4,4",),
        "repvgg",
        note="a sum, with an identity",
    ),
    Solvable(
        "conv-norm",
        "torchvision (ResNet) to TensorRT",
        ":ConvNorm()",
        "Conv2d(2, 3, 3)",
        ("1,2,5,5",),
        "fused_norm",
        polynomial=False,
        exact=False,
        note="a product with a root of a buffer",
    ),
    Solvable("acnet", "ACNet", ":Asymmetric()", "Conv2d(2, 3, 3, padding=1)", ("1,2,5,5",), "asymmetric"),
    Solvable(
        "dilated-to-dense",
        "UniRepLKNet",
        "Conv2d(3, 3, 3, padding=2, dilation=2, groups=3)",
        "Conv2d(3, 3, 5, padding=2, groups=3)",
        ("1,3,6,6",),
        "dilated_to_dense",
        note="zeros between entries",
    ),
    Solvable(
        "inception-branches",
        "torchvision (Inception)",
        ":Branches()",
        "Conv2d(2, 5, 3, padding=1)",
        ("1,2,4,4",),
        "branches",
        note="a concatenation of unlike kernels",
    ),
    Solvable(
        "factorised",
        "torchvision (Inception v3)",
        ":Factorised()",
        "Conv2d(2, 3, 3)",
        ("1,2,5,5",),
        "factorised",
        note="a product of two layers",
    ),
    Solvable(
        "light-conv",
        "fairseq (LightConv)",
        ":LightConv()",
        "Conv1d(4, 4, 3, padding=1, groups=4, bias=False)",
        ("2,4,6",),
        "light_to_depthwise",
        note="heads repeated over channels",
    ),
    Solvable(
        "inflated",
        "torchvision to I3D",
        ":PerFrame()",
        "Conv3d(2, 3, (3, 2, 2), padding=(1, 0, 0))",
        ("1,2,3,3,3",),
        "inflated",
        note="a slice among zeros",
    ),
]
