# mypy: ignore-errors
"""Video and audio in the package transformers, by products of matrices; run where it is installed."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from transformers import ASTConfig, VideoMAEConfig, Wav2Vec2Config, WhisperConfig
from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import ASTEmbeddings
from transformers.models.qwen2_vl.modeling_qwen2_vl import PatchEmbed
from transformers.models.videomae.modeling_videomae import VideoMAEPatchEmbeddings
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2FeatureEncoder
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from benchmarks.own_code.record import Pair


def videomae():
    config = VideoMAEConfig(hidden_size=8, image_size=8, patch_size=4, num_frames=4, num_attention_heads=2)
    return VideoMAEPatchEmbeddings(config)


class VideoLinear(nn.Module):
    order = "b (t u) c (h p) (w q) -> b (t h w) (c u p q)"

    def __init__(self, dim=8):
        super().__init__()
        self.proj = nn.Linear(3 * 2 * 4 * 4, dim)

    def forward(self, video):
        return self.proj(rearrange(video, self.order, u=2, p=4, q=4))


class VideoLinearFramesInterleaved(VideoLinear):
    order = "b (u t) c (h p) (w q) -> b (t h w) (c u p q)"


def qwen2_vl():
    return PatchEmbed(patch_size=4, temporal_patch_size=2, in_channels=3, embed_dim=8)


def ast():
    config = ASTConfig(hidden_size=8, patch_size=4, frequency_stride=3, time_stride=2, max_length=10, num_mel_bins=10)
    return ASTEmbeddings(config)


class AstLinear(nn.Module):
    def __init__(self, dim=8, patches=12):
        super().__init__()
        self.proj = nn.Linear(16, dim)
        self.tokens = nn.Parameter(torch.zeros(2, dim))
        self.pos = nn.Parameter(torch.zeros(patches + 2, dim))

    def windows(self, spec):
        return spec.mT.unfold(1, 4, 3).unfold(2, 4, 2)

    def forward(self, spec):
        x = self.proj(self.windows(spec).flatten(3)).flatten(1, 2)
        return torch.cat([self.tokens.expand(len(x), -1, -1), x], 1) + self.pos


class AstLinearStridesExchanged(AstLinear):
    def windows(self, spec):
        return spec.mT.unfold(1, 4, 2).unfold(2, 4, 3)


def ast_tokens(state):
    return {
        "proj.weight": state["patch_embeddings.projection.weight"].flatten(1),
        "proj.bias": state["patch_embeddings.projection.bias"],
        "tokens": torch.cat([state["cls_token"], state["distillation_token"]], 1)[0],
        "pos": state["position_embeddings"][0],
    }


def whisper():
    config = WhisperConfig(
        d_model=6, num_mel_bins=4, encoder_layers=0, encoder_attention_heads=2, max_source_positions=5
    )
    return WhisperEncoder(config)


class WhisperLinear(nn.Module):
    gelu = "none"

    def __init__(self, dim=6, mels=4, positions=5):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(3 * mels, dim), nn.Linear(3 * dim, dim)
        self.pos = nn.Parameter(torch.zeros(positions, dim))
        self.norm = nn.LayerNorm(dim)

    def frames(self, x, stride):
        return F.pad(x, (0, 0, 1, 1)).unfold(1, 3, stride).flatten(2)

    def forward(self, mel):
        x = F.gelu(self.fc1(self.frames(mel.mT, 1)), approximate=self.gelu)
        x = F.gelu(self.fc2(self.frames(x, 2)), approximate=self.gelu)
        return self.norm(x + self.pos)


class WhisperLinearTanh(WhisperLinear):
    gelu = "tanh"


def wav2vec2():
    config = Wav2Vec2Config(conv_dim=(4, 6), conv_kernel=(5, 3), conv_stride=(3, 2), feat_extract_norm="group")
    return Wav2Vec2FeatureEncoder(config)


class FeatureEncoderMatmul(nn.Module):
    dim = -2

    def __init__(self):
        super().__init__()
        self.w0, self.w1 = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(12, 6))
        self.gamma, self.beta = nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(4))

    def forward(self, wave):
        x = wave.unfold(1, 5, 3) @ self.w0  # b l c
        var, mean = torch.var_mean(x, dim=self.dim, unbiased=False, keepdim=True)
        x = F.gelu((x - mean) / torch.sqrt(var + 1e-5) * self.gamma + self.beta)
        x = x.unfold(1, 3, 2).flatten(2) @ self.w1
        return F.gelu(x).transpose(1, 2)


class FeatureEncoderNormOverChannels(FeatureEncoderMatmul):
    dim = -1


PAIRS = (
    Pair(
        "VideoMAEPatchEmbeddings",
        ":videomae()",
        ":VideoLinear()",
        ("1,4,3,8,8",),
        "tubelets of every second frame",
        ":VideoLinearFramesInterleaved()",
        {"proj.weight": "projection.weight: o i kt kh kw -> o (i kt kh kw)", "proj.bias": "projection.bias"},
    ),
    Pair(
        "Qwen2-VL's PatchEmbed",
        ":qwen2_vl()",
        "Linear(96, 8, bias=False)",
        ("5,96",),
        "the weight has time first",
        map={"weight": "proj.weight: o i kt kh kw -> o (i kt kh kw)"},
        twin_map={"weight": "proj.weight: o i kt kh kw -> o (kt i kh kw)"},
    ),
    Pair(
        "ASTEmbeddings",
        ":ast()",
        ":AstLinear()",
        ("2,10,10",),
        "strides in time and frequency exchanged",
        ":AstLinearStridesExchanged()",
        map_by="ast_tokens",
    ),
    Pair(
        "WhisperEncoder without layers",
        ":whisper()",
        ":WhisperLinear()",
        ("2,4,10",),
        "the other gelu",
        ":WhisperLinearTanh()",
        {
            "fc1.weight": "conv1.weight: o i kl -> o (i kl)",
            "fc1.bias": "conv1.bias",
            "fc2.weight": "conv2.weight: o i kl -> o (i kl)",
            "fc2.bias": "conv2.bias",
            "pos": "embed_positions.weight",
            "norm.weight": "layer_norm.weight",
            "norm.bias": "layer_norm.bias",
        },
        select="last_hidden_state",
    ),
    Pair(
        "Wav2Vec2FeatureEncoder",
        ":wav2vec2()",
        ":FeatureEncoderMatmul()",
        ("2,40",),
        "normalised over channels in place of time",
        ":FeatureEncoderNormOverChannels()",
        {
            "w0": "conv_layers.0.conv.weight: o 1 kl -> kl o",
            "w1": "conv_layers.1.conv.weight: o i kl -> (i kl) o",
            "gamma": "conv_layers.0.layer_norm.weight",
            "beta": "conv_layers.0.layer_norm.bias",
        },
    ),
)
