# mypy: ignore-errors
"""Weights that are merged before a model is shipped: what was several layers becomes one."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.own_code.record import Pair


# MobileNet
class SeparableConv(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.depthwise = nn.Conv2d(c_in, c_in, 3, groups=c_in)
        self.pointwise = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


def merge_separable(state):
    depthwise, pointwise = state["depthwise.weight"], state["pointwise.weight"]
    weight = torch.einsum("oc,cij->ocij", pointwise[:, :, 0, 0], depthwise[:, 0])
    bias = state["pointwise.bias"] + pointwise[:, :, 0, 0] @ state["depthwise.bias"]
    return {"weight": weight, "bias": bias}


def merge_separable_last_bias(state):
    return {**merge_separable(state), "bias": state["pointwise.bias"]}


# every exporter; torch.nn.utils.fusion
class ConvNorm(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return self.bn(self.conv(x))


def fold_norm(state, eps=1e-5):
    scale = state["bn.weight"] / torch.sqrt(state["bn.running_var"] + eps)
    return {
        "weight": state["conv.weight"] * scale.reshape(-1, 1, 1, 1),
        "bias": state["bn.bias"] - state["bn.running_mean"] * scale,
    }


def fold_norm_eps_outside(state, eps=1e-5):
    scale = state["bn.weight"] / (torch.sqrt(state["bn.running_var"]) + eps)
    return {
        "weight": state["conv.weight"] * scale.reshape(-1, 1, 1, 1),
        "bias": state["bn.bias"] - state["bn.running_mean"] * scale,
    }


# RepVGG
class RepBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.rbr_dense = nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.rbr_1x1 = nn.Conv2d(c, c, 1)

    def forward(self, inputs):
        return self.rbr_dense(inputs) + self.rbr_1x1(inputs) + inputs


def reparam(state):
    kernel3x3, kernel1x1 = state["rbr_dense.weight"], state["rbr_1x1.weight"]
    identity = torch.zeros_like(kernel3x3)
    for i in range(len(identity)):
        identity[i, i, 1, 1] = 1
    return {
        "rbr_reparam.weight": kernel3x3 + F.pad(kernel1x1, [1, 1, 1, 1]) + identity,
        "rbr_reparam.bias": state["rbr_1x1.bias"],
    }


def reparam_corner(state):
    kernel3x3, kernel1x1 = state["rbr_dense.weight"], state["rbr_1x1.weight"]
    identity = F.pad(torch.eye(len(kernel3x3))[:, :, None, None].to(kernel3x3), [1, 1, 1, 1])
    return {
        "rbr_reparam.weight": kernel3x3 + F.pad(kernel1x1, [0, 2, 0, 2]) + identity,
        "rbr_reparam.bias": state["rbr_1x1.bias"],
    }


class RepBlockDeploy(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.rbr_reparam = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, inputs):
        return self.rbr_reparam(inputs)


# loralib, peft
class LoRALinear(nn.Module):
    def __init__(self, in_features, out_features, r=2, lora_alpha=4):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.lora_A = nn.Parameter(torch.randn(r, in_features))
        self.lora_B = nn.Parameter(torch.zeros(out_features, r))
        self.scaling = lora_alpha / r

    def forward(self, x):
        result = self.linear(x)
        return result + (x @ self.lora_A.transpose(0, 1) @ self.lora_B.transpose(0, 1)) * self.scaling


PAIRS = (
    Pair(
        "a separable convolution as a full one",
        ":SeparableConv(3, 4)",
        "Conv2d(3, 4, 3)",
        ("1,3,6,5",),
        "the bias of the depthwise convolution is left out",
        map_by="merge_separable",
        twin_map_by="merge_separable_last_bias",
    ),
    Pair(
        "BatchNorm folded into a convolution",
        ":ConvNorm(3, 4)",
        "Conv2d(3, 4, 3, padding=1)",
        ("2,3,5,4",),
        "eps is added to the root",
        map_by="fold_norm",
        twin_map_by="fold_norm_eps_outside",
    ),
    Pair(
        "RepVGG's branches in one kernel",
        ":RepBlock(3)",
        ":RepBlockDeploy(3)",
        ("1,3,5,6",),
        "the 1x1 kernel goes into a corner",
        map_by="reparam",
        twin_map_by="reparam_corner",
    ),
    Pair(
        "LoRA merged",
        ":LoRALinear(6, 4)",
        "Linear(6, 4)",
        ("3,6",),
        "the scale is forgotten",
        map={"weight": "linear.weight + einsum('o r, r i -> o i', lora_B, lora_A) * 2", "bias": "linear.bias"},
        twin_map={"weight": "linear.weight + einsum('o r, r i -> o i', lora_B, lora_A)", "bias": "linear.bias"},
    ),
)
