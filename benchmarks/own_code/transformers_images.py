# mypy: ignore-errors
"""Patch embeddings of images in the package transformers, against Linears; run where it is installed."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from transformers import BeitConfig, CLIPVisionConfig, SiglipVisionConfig, ViTConfig, ViTMAEConfig
from transformers.models.beit.modeling_beit import BeitPatchEmbeddings
from transformers.models.clip.modeling_clip import CLIPVisionEmbeddings
from transformers.models.siglip.modeling_siglip import SiglipVisionEmbeddings
from transformers.models.vit.modeling_vit import ViTEmbeddings
from transformers.models.vit_mae.modeling_vit_mae import ViTMAEPatchEmbeddings

from benchmarks.own_code.record import Pair


def vit():
    return ViTEmbeddings(ViTConfig(hidden_size=8, image_size=8, patch_size=4, num_attention_heads=2))


class VitLinear(nn.Module):
    order = "b c (h p) (w q) -> b (h w) (c p q)"

    def __init__(self, dim=8, patch=4, patches=4):
        super().__init__()
        self.p = patch
        self.proj = nn.Linear(3 * patch * patch, dim)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(torch.zeros(1, patches + 1, dim))

    def forward(self, x):
        x = self.proj(rearrange(x, self.order, p=self.p, q=self.p))
        return torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos


class VitLinearColumnsFirst(VitLinear):
    order = "b c (h p) (w q) -> b (h w) (c q p)"


def beit():
    config = BeitConfig(hidden_size=8, image_size=(8, 12), patch_size=4, num_attention_heads=2)
    return BeitPatchEmbeddings(config)


class UnfoldLinear(nn.Module):
    def __init__(self, dim=8, patch=4):
        super().__init__()
        self.p = patch
        self.proj = nn.Linear(3 * patch * patch, dim)

    def forward(self, x):
        return self.proj(F.unfold(x, self.p, stride=self.p).mT)


class UnfoldLinearNoBias(UnfoldLinear):
    def forward(self, x):
        return F.linear(F.unfold(x, self.p, stride=self.p).mT, self.proj.weight)


def vit_mae():
    return ViTMAEPatchEmbeddings(ViTMAEConfig(hidden_size=8, image_size=8, patch_size=4, num_attention_heads=2))


class MaeLinear(nn.Module):
    def __init__(self, dim=8, patch=4):
        super().__init__()
        self.p = patch
        self.proj = nn.Linear(3 * patch * patch, dim)

    def forward(self, x):
        b, c, h, w = x.shape
        p = self.p
        x = x.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
        return self.proj(x.reshape(b, -1, p * p * c))


def clip():
    config = CLIPVisionConfig(hidden_size=8, image_size=8, patch_size=4, num_attention_heads=2)
    return CLIPVisionEmbeddings(config)


class ClipLinear(nn.Module):
    def __init__(self, dim=8, patch=4, patches=4):
        super().__init__()
        self.p = patch
        self.weight = nn.Parameter(torch.randn(dim, 3 * patch * patch))
        self.class_embedding = nn.Parameter(torch.randn(dim))
        self.positions = nn.Parameter(torch.randn(patches + 1, dim))

    def patches(self, x):
        x = x.unfold(2, self.p, self.p).unfold(3, self.p, self.p)
        return x.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)

    def forward(self, x):
        x = torch.einsum("bnk,ok->bno", self.patches(x), self.weight)
        first = (self.class_embedding + self.positions[0]).repeat(len(x), 1, 1)
        return torch.cat([first, x + self.positions[1:]], dim=1)


class ClipLinearColumnMajor(ClipLinear):
    def patches(self, x):
        x = x.unfold(2, self.p, self.p).unfold(3, self.p, self.p)
        return x.permute(0, 3, 2, 1, 4, 5).flatten(3).flatten(1, 2)


def siglip():
    config = SiglipVisionConfig(hidden_size=8, image_size=10, patch_size=4, num_attention_heads=2)
    return SiglipVisionEmbeddings(config)


class SiglipLinear(nn.Module):
    """What does not make up a patch is cut off, below and on the right, as the convolution does."""

    def __init__(self, dim=8, patch=4, patches=4):
        super().__init__()
        self.p = patch
        self.proj = nn.Linear(3 * patch * patch, dim)
        self.position = nn.Parameter(torch.zeros(patches, dim))

    def crop(self, x):
        return x[:, :, : x.shape[2] // self.p * self.p, : x.shape[3] // self.p * self.p]

    def forward(self, x):
        x = rearrange(self.crop(x), "b c (h p) (w q) -> b (h w) (p q c)", p=self.p, q=self.p)
        return self.proj(x) + self.position


class SiglipLinearCentred(SiglipLinear):
    def crop(self, x):
        top, left = x.shape[2] % self.p // 2, x.shape[3] % self.p // 2
        return x[:, :, top : top + x.shape[2] // self.p * self.p, left : left + x.shape[3] // self.p * self.p]


def patches(source, order="i kh kw"):
    return {"proj.weight": f"{source}.weight: o i kh kw -> o ({order})", "proj.bias": f"{source}.bias"}


PAIRS = (
    Pair(
        "ViTEmbeddings",
        ":vit()",
        ":VitLinear()",
        ("2,3,8,8",),
        "columns before rows in a patch",
        ":VitLinearColumnsFirst()",
        {**patches("patch_embeddings.projection"), "cls": "cls_token", "pos": "position_embeddings"},
    ),
    Pair(
        "BeitPatchEmbeddings",
        ":beit()",
        ":UnfoldLinear()",
        ("2,3,8,12",),
        "the bias is forgotten",
        ":UnfoldLinearNoBias()",
        patches("projection"),
    ),
    Pair(
        "ViTMAEPatchEmbeddings",
        ":vit_mae()",
        ":MaeLinear()",
        ("2,3,8,8",),
        "the weight has its channels first",
        map=patches("projection", "kh kw i"),
        twin_map=patches("projection"),
    ),
    Pair(
        "CLIPVisionEmbeddings",
        ":clip()",
        ":ClipLinear()",
        ("2,3,8,8",),
        "patches by columns",
        ":ClipLinearColumnMajor()",
        {"weight": "patch_embedding.weight: o i kh kw -> o (i kh kw)", "positions": "position_embedding.weight"},
    ),
    Pair(
        "SiglipVisionEmbeddings",
        ":siglip()",
        ":SiglipLinear()",
        ("2,3,10,10",),
        "cropped around the centre",
        ":SiglipLinearCentred()",
        {**patches("patch_embedding", "kh kw i"), "position": "position_embedding.weight"},
    ),
)
