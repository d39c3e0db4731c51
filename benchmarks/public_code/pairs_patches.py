# mypy: ignore-errors
"""Patches: a convolution in one repository, a Linear in the other, and the way back to an image."""

import torch
from einops import rearrange
from torch import nn

from benchmarks.public_code.record import Solvable


# timm
class PatchEmbed(nn.Module):
    def __init__(self, patch_size=2, in_chans=3, embed_dim=4):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


# MAE: the order of its loss's targets
class PatchifyLinear(nn.Module):
    def __init__(self, p=2, dim=4):
        super().__init__()
        self.p = p
        self.embed = nn.Linear(p * p * 3, dim)

    def forward(self, imgs):
        n, _, height, width = imgs.shape
        h, w = height // self.p, width // self.p
        x = imgs.reshape(n, 3, h, self.p, w, self.p)
        x = torch.einsum("nchpwq->nhwpqc", x)
        return self.embed(x.reshape(n, h * w, -1))


def timm_to_mae(state):
    return {"embed.weight": rearrange(state["proj.weight"], "o i p q -> o (p q i)"), "embed.bias": state["proj.bias"]}


# vit-pytorch, with columns before rows
class ToPatchEmbedding(nn.Module):
    def __init__(self, p=2, dim=4):
        super().__init__()
        self.p = p
        self.to_patch_embedding = nn.Sequential(nn.Identity(), nn.Linear(3 * p * p, dim))

    def forward(self, img):
        x = rearrange(img, "b c (h p1) (w p2) -> b (h w) (p2 p1 c)", p1=self.p, p2=self.p)
        return self.to_patch_embedding(x)


def timm_to_vit_pytorch(state):
    weight = rearrange(state["proj.weight"], "o i p q -> o (q p i)")
    return {"to_patch_embedding.1.weight": weight, "to_patch_embedding.1.bias": state["proj.bias"]}


# Qwen2-VL in transformers, and the Linear that vLLM has instead
class VisionPatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv3d(3, 4, (2, 2, 2), stride=(2, 2, 2), bias=False)

    def forward(self, hidden_states):
        return self.proj(hidden_states.view(-1, 3, 2, 2, 2)).view(-1, 4)


class LinearPatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(24, 4, bias=False)

    def forward(self, x):
        return self.proj(x)


def conv3d_to_linear(state):
    return {"proj.weight": state["proj.weight"].flatten(1)}


# ViViT
class Tubelets(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = nn.Conv3d(2, 3, (2, 2, 2), stride=2)

    def forward(self, video):  # b t c h w
        return self.projection(video.transpose(1, 2)).flatten(2).transpose(1, 2)


class TubeletsLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(16, 3)

    def forward(self, video):
        return self.proj(rearrange(video, "b (t pt) c (h p) (w q) -> b (t h w) (pt p q c)", pt=2, p=2, q=2))


def tubelets(state):
    weight = rearrange(state["projection.weight"], "o i t p q -> o (t p q i)")
    return {"proj.weight": weight, "proj.bias": state["projection.bias"]}


# Swin and ConvNeXt: four neighbours side by side, or a convolution
class PatchMerging(nn.Module):
    def __init__(self, dim=2):
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):  # b h w c
        x0 = x[:, 0::2, 0::2, :]
        x1 = x[:, 1::2, 0::2, :]
        x2 = x[:, 0::2, 1::2, :]
        x3 = x[:, 1::2, 1::2, :]
        return self.reduction(torch.cat([x0, x1, x2, x3], -1))


class Downsample(nn.Module):
    def __init__(self, dim=2):
        super().__init__()
        self.conv = nn.Conv2d(dim, 2 * dim, kernel_size=2, stride=2, bias=False)

    def forward(self, x):
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def swin_to_conv(state):
    return {"conv.weight": rearrange(state["reduction.weight"], "o (q p i) -> o i p q", p=2, q=2)}


# MAE's decoder, and a convolution before PixelShuffle
class DecoderPred(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder_pred = nn.Linear(3, 12)

    def forward(self, x):  # b h w c
        n, h, w, _ = x.shape
        x = self.decoder_pred(x).reshape(n, h, w, 2, 2, 3)
        return torch.einsum("nhwpqc->nchpwq", x).reshape(n, 3, h * 2, w * 2)


class ShuffleHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.decoder = nn.Sequential(nn.Conv2d(3, 12, 1), nn.PixelShuffle(2))

    def forward(self, x):
        return self.decoder(x.permute(0, 3, 1, 2))


def mae_to_shuffle(state):
    return {
        "decoder.0.weight": rearrange(state["decoder_pred.weight"], "(p q c) i -> (c p q) i 1 1", p=2, q=2),
        "decoder.0.bias": rearrange(state["decoder_pred.bias"], "(p q c) -> (c p q)", p=2, q=2),
    }


# DiT's last layer as a transposed convolution, which has one bias a channel; so DiT's is without one
class FinalLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 8, bias=False)

    def forward(self, x):  # b h w c
        n, h, w, _ = x.shape
        x = self.linear(x).reshape(n, h, w, 2, 2, 2)
        return torch.einsum("nhwpqc->nchpwq", x).reshape(n, 2, h * 2, w * 2)


class TransposedHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 2, 2, stride=2, bias=False)

    def forward(self, x):
        return self.up(x.permute(0, 3, 1, 2))


def dit_to_transposed(state):
    return {"up.weight": rearrange(state["linear.weight"], "(p q c) i -> i c p q", p=2, q=2)}


PAIRS = [
    Solvable("timm-to-mae", "timm to MAE", ":PatchEmbed()", ":PatchifyLinear()", ("2,3,4,4",), "timm_to_mae"),
    Solvable(
        "timm-to-vit-pytorch",
        "timm to vit-pytorch",
        ":PatchEmbed()",
        ":ToPatchEmbedding()",
        ("1,3,4,6",),
        "timm_to_vit_pytorch",
    ),
    Solvable(
        "conv3d-to-linear",
        "transformers (Qwen2-VL) to vLLM",
        ":VisionPatchEmbed()",
        ":LinearPatchEmbed()",
        ("8,24",),
        "conv3d_to_linear",
    ),
    Solvable(
        "tubelets",
        "transformers (ViViT) to vit-pytorch",
        ":Tubelets()",
        ":TubeletsLinear()",
        ("1,4,2,4,4",),
        "tubelets",
    ),
    Solvable("swin-merging", "Swin to ConvNeXt", ":PatchMerging()", ":Downsample()", ("1,4,6,2",), "swin_to_conv"),
    Solvable("mae-decoder", "MAE to ESPCN", ":DecoderPred()", ":ShuffleHead()", ("1,2,3,3",), "mae_to_shuffle"),
    Solvable(
        "dit-head",
        "DiT to a transposed convolution",
        ":FinalLayer()",
        ":TransposedHead()",
        ("1,2,3,3",),
        "dit_to_transposed",
    ),
]
