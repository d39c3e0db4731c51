# mypy: ignore-errors
"""Patches, stems and positions: a convolution in one repository, a Linear or another cut in the other."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from benchmarks.public_code.record import Solvable, Truth


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


# CLIP in transformers, and in OpenCLIP
class CLIPVisionEmbeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(4))
        self.patch_embedding = nn.Conv2d(3, 4, 2, stride=2, bias=False)
        self.position_embedding = nn.Embedding(5, 4)

    def forward(self, pixel_values):
        patches = self.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        cls = self.class_embedding.expand(pixel_values.shape[0], 1, -1)
        return torch.cat([cls, patches], dim=1) + self.position_embedding(torch.arange(5))


class OpenCLIPStem(nn.Module):
    """The class token has its position already, as an export may fold it."""

    def __init__(self, folded):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 2, stride=2, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(4))
        self.positional_embedding = nn.Parameter(torch.zeros(4 if folded else 5, 4))
        self.folded = folded

    def forward(self, x):
        x = self.conv1(x)
        x = x.reshape(x.shape[0], x.shape[1], -1).permute(0, 2, 1)
        cls = self.class_embedding.expand(x.shape[0], 1, -1)
        if self.folded:
            return torch.cat([cls, x + self.positional_embedding], dim=1)
        return torch.cat([cls, x], dim=1) + self.positional_embedding


def clip_to_open_clip(state):
    return {
        "conv1.weight": state["patch_embedding.weight"],
        "class_embedding": state["class_embedding"],
        "positional_embedding": state["position_embedding.weight"],
    }


def clip_to_open_clip_shifted(state):
    position = state["position_embedding.weight"].clone()
    position[0] += 1
    return clip_to_open_clip(state) | {
        "positional_embedding": position,
        "class_embedding": state["class_embedding"] - 1,
    }


def clip_folded(state):
    position = state["position_embedding.weight"]
    return {
        "conv1.weight": state["patch_embedding.weight"],
        "class_embedding": state["class_embedding"] + position[0],
        "positional_embedding": position[1:],
    }


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


# MLPerf's ResNet: 7x7 / 2 becomes 4x4 / 1 on blocks of 2x2
class SpaceToDepthStem(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.conv = nn.Conv2d(8, width, 4, bias=False)

    def forward(self, x):
        x = F.pixel_unshuffle(F.pad(x, (4, 2, 4, 2)), 2)
        return self.conv(x)


def stem(state):
    weight = F.pad(state["weight"], (1, 0, 1, 0))
    return {"conv.weight": rearrange(weight, "o i (kh p) (kw q) -> o (i p q) kh kw", p=2, q=2)}


# YOLOv5: Focus, and the 6x6 convolution that took its place
class Focus(nn.Module):
    def __init__(self, c1=2, c2=3):
        super().__init__()
        self.conv = nn.Conv2d(c1 * 4, c2, 3, 1, 1, bias=False)

    def forward(self, x):
        parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.conv(torch.cat(parts, 1))


def focus_to_conv(state):
    return {"weight": rearrange(state["conv.weight"], "o (q p i) kh kw -> o i (kh p) (kw q)", p=2, q=2)}


# Whisper: a convolution over the spectrogram, and the same on frames
class AudioStem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(3, 4, kernel_size=3, padding=1)

    def forward(self, x):  # b mel t
        return F.gelu(self.conv1(x)).permute(0, 2, 1)


class FramedStem(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(9, 4)

    def forward(self, x):
        frames = F.pad(x, (1, 1)).transpose(1, 2).unfold(1, 3, 1)  # b t mel k
        return F.gelu(self.proj(frames.transpose(2, 3).flatten(2)))


def whisper_frames(state):
    return {"proj.weight": rearrange(state["conv1.weight"], "o i k -> o (k i)"), "proj.bias": state["conv1.bias"]}


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


# timm adds positions to a map in some models, and to tokens in others
class TokenPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 6, 4))
        self.proj = nn.Conv2d(2, 4, 1)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2) + self.pos_embed


class GridPositions(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 2, 3))
        self.proj = nn.Conv2d(2, 4, 1, bias=False)

    def forward(self, x):
        return (self.proj(x) + self.pos_embed).flatten(2).transpose(1, 2)


def positions_to_grid(state):
    positions = state["pos_embed"] + state["proj.bias"]
    return {"pos_embed": rearrange(positions, "1 (h w) c -> 1 c h w", h=2), "proj.weight": state["proj.weight"]}


PAIRS = [
    Solvable("timm-to-mae", "timm to MAE", ":PatchEmbed()", ":PatchifyLinear()", ("2,3,4,4",), "timm_to_mae"),
    Solvable("timm-to-vit-pytorch", "timm to vit-pytorch", ":PatchEmbed()", ":ToPatchEmbedding()", ("1,3,4,6",),
             "timm_to_vit_pytorch"),
    Solvable("conv3d-to-linear", "transformers (Qwen2-VL) to vLLM", ":VisionPatchEmbed()", ":LinearPatchEmbed()",
             ("8,24",), "conv3d_to_linear"),
    Solvable("tubelets", "transformers (ViViT) to vit-pytorch", ":Tubelets()", ":TubeletsLinear()", ("1,4,2,4,4",),
             "tubelets"),
    Solvable("clip-stem", "transformers (CLIP) to OpenCLIP", ":CLIPVisionEmbeddings()", ":OpenCLIPStem(False)",
             ("2,3,4,4",), "clip_to_open_clip", Truth.NOT_UNIQUE, "clip_to_open_clip_shifted",
             note="the class token and its position are added to nothing else"),
    Solvable("clip-stem-folded", "transformers (CLIP) to an export", ":CLIPVisionEmbeddings()", ":OpenCLIPStem(True)",
             ("2,3,4,4",), "clip_folded", note="a sum of two parameters"),
    Solvable("swin-merging", "Swin to ConvNeXt", ":PatchMerging()", ":Downsample()", ("1,4,6,2",), "swin_to_conv"),
    Solvable("resnet-stem", "torchvision (ResNet) to MLPerf", "Conv2d(2, 3, 7, stride=2, padding=3, bias=False)",
             ":SpaceToDepthStem()", ("1,2,12,12",), "stem", note="a kernel among zeros"),
    Solvable("focus", "YOLOv5, before and after 6.0", ":Focus()",
             "Conv2d(2, 3, 6, stride=2, padding=2, bias=False)", ("1,2,8,8",), "focus_to_conv"),
    Solvable("whisper-stem", "Whisper to frames", ":AudioStem()", ":FramedStem()", ("2,3,7",), "whisper_frames",
             polynomial=False, exact=False),
    Solvable("mae-decoder", "MAE to ESPCN", ":DecoderPred()", ":ShuffleHead()", ("1,2,3,3",), "mae_to_shuffle"),
    Solvable("dit-head", "DiT to a transposed convolution", ":FinalLayer()", ":TransposedHead()", ("1,2,3,3",),
             "dit_to_transposed"),
    Solvable("positions-on-grid", "timm, tokens to maps", ":TokenPositions()", ":GridPositions()", ("2,2,2,3",),
             "positions_to_grid", note="a bias goes into the positions"),
]
