# mypy: ignore-errors
"""Patch embeddings of images: a convolution, and a Linear on patches that are cut by hand."""

import torch
import torch.nn.functional as F
from einops.layers.torch import Rearrange
from torch import nn

from benchmarks.own_code.record import Pair


# timm, and whatever is derived from it
class PatchEmbed(nn.Module):
    def __init__(self, patch_size=4, in_chans=3, embed_dim=8, bias=True):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size, bias=bias)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


# MAE, DiT: the function that makes the targets of the loss, put to another use
class PatchifyLinear(nn.Module):
    def __init__(self, patch_size=4, embed_dim=8):
        super().__init__()
        self.p = patch_size
        self.embed = nn.Linear(patch_size**2 * 3, embed_dim)

    def patchify(self, imgs):
        p = self.p
        h, w = imgs.shape[2] // p, imgs.shape[3] // p
        x = imgs.reshape(shape=(imgs.shape[0], 3, h, p, w, p))
        x = torch.einsum("nchpwq->nhwpqc", x)
        return x.reshape(shape=(imgs.shape[0], h * w, p**2 * 3))

    def forward(self, imgs):
        return self.embed(self.patchify(imgs))


class PatchifyLinearChannelsFirst(PatchifyLinear):
    def patchify(self, imgs):
        p = self.p
        h, w = imgs.shape[2] // p, imgs.shape[3] // p
        x = imgs.reshape(shape=(imgs.shape[0], 3, h, p, w, p))
        x = torch.einsum("nchpwq->nhwcpq", x)
        return x.reshape(shape=(imgs.shape[0], h * w, p**2 * 3))


# vit-pytorch
class ToPatchEmbedding(nn.Module):
    def __init__(self, channels, patch_height, patch_width, dim):
        super().__init__()
        self.to_patch_embedding = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_height, p2=patch_width),
            nn.Linear(channels * patch_height * patch_width, dim),
        )

    def forward(self, img):
        return self.to_patch_embedding(img)


class ToPatchEmbeddingColumnsFirst(nn.Module):
    def __init__(self, channels, patch_height, patch_width, dim):
        super().__init__()
        self.to_patch_embedding = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p2 p1 c)", p1=patch_height, p2=patch_width),
            nn.Linear(channels * patch_height * patch_width, dim),
        )

    def forward(self, img):
        return self.to_patch_embedding(img)


class UnfoldEmbed(nn.Module):
    def __init__(self, patch_size=4, in_chans=3, embed_dim=8):
        super().__init__()
        self.unfold = nn.Unfold(kernel_size=patch_size, stride=patch_size)
        self.linear = nn.Linear(in_chans * patch_size * patch_size, embed_dim)

    def forward(self, x):
        return self.linear(self.unfold(x).transpose(1, 2))


class UnfoldEmbedReshaped(UnfoldEmbed):
    def forward(self, x):
        patches = self.unfold(x)
        return self.linear(patches.reshape(patches.shape[0], patches.shape[2], patches.shape[1]))


class TensorUnfoldEmbed(nn.Module):
    def __init__(self, patch_size, in_chans, embed_dim):
        super().__init__()
        self.patch_size = patch_size
        self.weight = nn.Parameter(torch.randn(embed_dim, in_chans * patch_size**2) * 0.02)
        self.bias = nn.Parameter(torch.zeros(embed_dim))

    def cut(self, x):
        p = self.patch_size
        patches = x.unfold(2, p, p).unfold(3, p, p)  # B C H W p p
        patches = patches.permute(0, 2, 3, 1, 4, 5).contiguous()
        return patches.view(x.size(0), patches.size(1) * patches.size(2), -1)

    def forward(self, x):
        return self.cut(x) @ self.weight.t() + self.bias


class TensorUnfoldEmbedNoBias(TensorUnfoldEmbed):
    def forward(self, x):
        return self.cut(x) @ self.weight.t()


# Swin: the features of four neighbours side by side
class PatchMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def neighbours(self, x):
        x0 = x[:, 0::2, 0::2, :]
        x1 = x[:, 1::2, 0::2, :]
        x2 = x[:, 0::2, 1::2, :]
        x3 = x[:, 1::2, 1::2, :]
        return x0, x1, x2, x3

    def forward(self, x):
        return self.reduction(torch.cat(self.neighbours(x), -1))


class PatchMergingRowsFirst(PatchMerging):
    def neighbours(self, x):
        return x[:, 0::2, 0::2, :], x[:, 0::2, 1::2, :], x[:, 1::2, 0::2, :], x[:, 1::2, 1::2, :]


class ConvMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.reduction = nn.Conv2d(dim, 2 * dim, 2, stride=2, bias=False)

    def forward(self, x):
        return self.reduction(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


# SegFormer: patches that overlap
class OverlapEmbed(nn.Module):
    def __init__(self, in_chans, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, in_chans, 7, 7).normal_(std=0.02))
        self.bias = nn.Parameter(torch.zeros(dim))

    def columns(self, x):
        return F.unfold(x, 7, padding=3, stride=4)

    def forward(self, x):
        cols = self.columns(x)
        return torch.einsum("of,bfl->blo", self.weight.flatten(1), cols) + self.bias


class OverlapEmbedShifted(OverlapEmbed):
    def columns(self, x):
        return F.unfold(F.pad(x, (2, 3, 2, 3)), 7, stride=4)


# DeiT: a class token before the patches, and positions
class Tokens(nn.Module):
    def __init__(self, patch_size, dim, num_patches):
        super().__init__()
        self.patch_embed = PatchEmbed(patch_size, 3, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_patches + 1, dim))

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        return x + self.pos_embed


class LinearTokens(nn.Module):
    def __init__(self, patch_size, dim, num_patches):
        super().__init__()
        self.embed = PatchifyLinear(patch_size, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_patches + 1, dim))

    def forward(self, x):
        x = self.embed(x) + self.pos_embed[:, 1:]
        cls_tokens = (self.cls_token + self.pos_embed[:, :1]).repeat(len(x), 1, 1)
        return torch.cat([cls_tokens, x], 1)


class LinearTokensLateEnd(LinearTokens):
    def forward(self, x):
        x = self.embed(x) + self.pos_embed[:, :-1]
        cls_tokens = (self.cls_token + self.pos_embed[:, :1]).repeat(len(x), 1, 1)
        return torch.cat([cls_tokens, x], 1)


PAIRS = (
    Pair(
        "MAE's patchify and a Linear",
        ":PatchEmbed(4)",
        ":PatchifyLinear(4)",
        ("2,3,8,12",),
        "channels before the pixels of a patch",
        ":PatchifyLinearChannelsFirst(4)",
        {"embed.weight": "proj.weight: o i kh kw -> o (kh kw i)", "embed.bias": "proj.bias"},
    ),
    Pair(
        "vit-pytorch's Rearrange and a Linear",
        "Conv2d(3, 8, kernel_size=(4, 2), stride=(4, 2))",
        ":ToPatchEmbedding(3, 4, 2, 8)",
        ("2,3,8,6",),
        "columns before rows in a patch",
        ":ToPatchEmbeddingColumnsFirst(3, 4, 2, 8)",
        {
            "to_patch_embedding.1.weight": "weight: o i kh kw -> o (kh kw i)",
            "to_patch_embedding.1.bias": "bias",
        },
        layout="b (h w) o -> b o h w, h=2",
    ),
    Pair(
        "nn.Unfold and a Linear",
        ":PatchEmbed(4)",
        ":UnfoldEmbed(4)",
        ("2,3,8,12",),
        "reshape where the axes had to be exchanged",
        ":UnfoldEmbedReshaped(4)",
        {"linear.weight": "proj.weight: o i kh kw -> o (i kh kw)", "linear.bias": "proj.bias"},
    ),
    Pair(
        "Tensor.unfold twice and a matrix product",
        ":PatchEmbed(3, 2, 5)",
        ":TensorUnfoldEmbed(3, 2, 5)",
        ("1,2,6,9",),
        "the bias is missing",
        ":TensorUnfoldEmbedNoBias(3, 2, 5)",
        {"weight": "proj.weight: o i kh kw -> o (i kh kw)", "bias": "proj.bias"},
    ),
    Pair(
        "Swin's patch merging",
        ":ConvMerging(4)",
        ":PatchMerging(4)",
        ("2,6,8,4",),
        "the neighbours below and to the right are exchanged",
        ":PatchMergingRowsFirst(4)",
        {"reduction.weight": "reduction.weight: o i kh kw -> o (kw kh i)"},
    ),
    Pair(
        "SegFormer's overlapping patches by im2col",
        "Conv2d(3, 6, 7, stride=4, padding=3)",
        ":OverlapEmbed(3, 6)",
        ("1,3,16,12",),
        "one row and one column of padding too few at the top and on the left",
        ":OverlapEmbedShifted(3, 6)",
        layout="b (h w) o -> b o h w, h=4",
    ),
    Pair(
        "class token and positions around patches",
        ":Tokens(4, 8, 6)",
        ":LinearTokens(4, 8, 6)",
        ("2,3,8,12",),
        "positions begin at the class token's for the patches",
        ":LinearTokensLateEnd(4, 8, 6)",
        {
            "embed.embed.weight": "patch_embed.proj.weight: o i kh kw -> o (kh kw i)",
            "embed.embed.bias": "patch_embed.proj.bias",
        },
    ),
)
