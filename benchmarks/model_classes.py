"""Classes of models for `benchmarks/models.py`: of transformers by their configs, and plain ones of torch.

Every function takes no argument, draws its own weights, and returns a model; `INPUTS` has what it is called with.
Configs are small in depth, and of the published widths where that decides which layers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Entry(NamedTuple):
    """A model, its inputs as `convcheck scan` takes them, the rewrites to look at, and what a person would look for."""

    make: Callable[[], nn.Module]
    inputs: tuple[str, ...]
    rewrites: tuple[str, ...]
    wanted: str


def _of(name: str, config: str, **settings: Any) -> nn.Module:
    import transformers

    made = getattr(transformers, config)(**settings)
    # What a library fuses by itself stays out of the comparison.
    made._attn_implementation = "eager"
    model: nn.Module = getattr(transformers, name)(made)
    return model


def qwen2_vl_vision() -> nn.Module:
    """The vision tower of Qwen2-VL: a Conv3d patch embedding, on patches that are cut before."""
    from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel

    config = Qwen2VLVisionConfig(depth=2, embed_dim=320, hidden_size=256, num_heads=4)
    config._attn_implementation = "eager"
    model: nn.Module = Qwen2VisionTransformerPretrainedModel(config)
    return _WithGrid(model, (1, 8, 8))


class _WithGrid(nn.Module):
    """A vision tower that is told the grid of its patches, which no drawn number could be."""

    def __init__(self, visual: nn.Module, grid: tuple[int, int, int]) -> None:
        super().__init__()
        self.visual, self.grid = visual, grid

    def forward(self, patches: Tensor) -> Any:
        return self.visual(patches, grid_thw=torch.tensor([self.grid]))


def glm4v_vision() -> nn.Module:
    """The patch embedding and merger of GLM-4V: a Conv3d, and a Conv2d that downsamples."""
    from transformers.models.glm4v.configuration_glm4v import Glm4vVisionConfig
    from transformers.models.glm4v.modeling_glm4v import Glm4vVisionModel

    config = Glm4vVisionConfig(depth=1, hidden_size=192, num_heads=4, out_hidden_size=256, intermediate_size=256)
    config._attn_implementation = "eager"
    model: nn.Module = Glm4vVisionModel(config)
    return _WithGrid(model, (1, 8, 8))


def siglip() -> nn.Module:
    """SigLIP's vision tower, whose patch embedding has padding='valid'."""
    return _of(
        "SiglipVisionModel", "SiglipVisionConfig", num_hidden_layers=2, hidden_size=384, intermediate_size=768,
        num_attention_heads=6, image_size=224, patch_size=16,
    )  # fmt: skip


def dinov2() -> nn.Module:
    """DINOv2."""
    return _of(
        "Dinov2Model", "Dinov2Config", num_hidden_layers=2, hidden_size=384, num_attention_heads=6, image_size=224
    )


def vit() -> nn.Module:
    """ViT with its classifier."""
    return _of(
        "ViTForImageClassification", "ViTConfig", num_hidden_layers=2, hidden_size=384, intermediate_size=768,
        num_attention_heads=6,
    )  # fmt: skip


def clip_vision() -> nn.Module:
    """CLIP's vision tower, whose patch embedding has no bias."""
    return _of(
        "CLIPVisionModel", "CLIPVisionConfig", num_hidden_layers=2, hidden_size=384, intermediate_size=768,
        num_attention_heads=6, patch_size=16,
    )  # fmt: skip


def sam_vision() -> nn.Module:
    """The vision encoder of SAM, with a neck of 1x1 and 3x3 convolutions."""
    return _of(
        "SamVisionModel", "SamVisionConfig", num_hidden_layers=2, hidden_size=192, num_attention_heads=3,
        image_size=256, global_attn_indexes=[1], window_size=8, mlp_ratio=2.0, output_channels=64,
    )  # fmt: skip


def whisper_encoder() -> nn.Module:
    """The encoder of Whisper, which begins with two overlapping Conv1d."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(encoder_layers=2, d_model=256, encoder_attention_heads=4, encoder_ffn_dim=512)
    config._attn_implementation = "eager"
    model: nn.Module = WhisperEncoder(config)
    return model


def wav2vec2() -> nn.Module:
    """wav2vec 2.0, with a stack of strided Conv1d, and a convolution whose weight is parametrised."""
    return _of(
        "Wav2Vec2Model", "Wav2Vec2Config", num_hidden_layers=2, hidden_size=192, num_attention_heads=4,
        intermediate_size=384, conv_dim=(128,) * 7, mask_time_prob=0.0,
    )  # fmt: skip


def convnext() -> nn.Module:
    """ConvNeXt: a stem and downsamplers that tile, and depthwise convolutions."""
    return _of("ConvNextForImageClassification", "ConvNextConfig", hidden_sizes=[48, 96, 192, 384], depths=[1, 1, 2, 1])


def swin() -> nn.Module:
    """Swin: a patch embedding, and mergers that are Linear already."""
    return _of("SwinForImageClassification", "SwinConfig", embed_dim=48, depths=[1, 1, 2, 1], num_heads=[2, 4, 8, 16])


def segformer() -> nn.Module:
    """SegFormer: convolutions of keys and values that tile, and overlapping patch embeddings."""
    return _of(
        "SegformerForSemanticSegmentation", "SegformerConfig", hidden_sizes=[16, 32, 80, 128], depths=[1, 1, 1, 1],
        decoder_hidden_size=64,
    )  # fmt: skip


def dpt() -> nn.Module:
    """DPT: a ViT, and a decoder with transposed convolutions that tile."""
    return _of(
        "DPTForDepthEstimation", "DPTConfig", hidden_size=192, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=384, image_size=224, backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[32, 48, 64, 96], fusion_hidden_size=32,
    )  # fmt: skip


def bert() -> nn.Module:
    """A BERT: linears alone, whose output embedding is tied to the input's."""
    return _of(
        "BertForMaskedLM", "BertConfig", num_hidden_layers=2, hidden_size=192, num_attention_heads=4,
        intermediate_size=384, vocab_size=1000,
    )  # fmt: skip


def resnet() -> nn.Module:
    """ResNet, with a BatchNorm behind every convolution."""
    return _of("ResNetForImageClassification", "ResNetConfig", depths=[1, 1, 1, 1], hidden_sizes=[64, 128, 256, 512])


def regnet() -> nn.Module:
    """RegNet: convolutions of groups, and squeeze and excitation."""
    return _of("RegNetForImageClassification", "RegNetConfig", depths=[1, 1, 1, 1], hidden_sizes=[64, 128, 192, 256])


def mobilenet_v2() -> nn.Module:
    """MobileNetV2: depthwise convolutions between 1x1s."""
    return _of("MobileNetV2ForImageClassification", "MobileNetV2Config", depth_multiplier=0.5)


def mobilevit() -> nn.Module:
    """MobileViT: the blocks of a MobileNet, and transformers between."""
    return _of("MobileViTForImageClassification", "MobileViTConfig", hidden_sizes=[64, 80, 96])


def efficientnet() -> nn.Module:
    """EfficientNet."""
    return _of("EfficientNetForImageClassification", "EfficientNetConfig", depth_coefficient=0.3, hidden_dim=1280,
               width_coefficient=1.0)  # fmt: skip


def levit() -> nn.Module:
    """LeViT: linears with BatchNorm, which is called on flattened tokens."""
    return _of("LevitForImageClassification", "LevitConfig", depths=[1, 1, 1])


class _Twice(nn.Sequential):
    def __init__(self, ins: int, outs: int) -> None:
        super().__init__(
            nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU(),
            nn.Conv2d(outs, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    """A U-Net that goes up by transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([_Twice(3, 32), _Twice(32, 64), _Twice(64, 128)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(128, 64, 2, 2), nn.ConvTranspose2d(64, 32, 2, 2)])
        self.join = nn.ModuleList([_Twice(128, 64), _Twice(64, 32)])
        self.head = nn.Conv2d(32, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for number, block in enumerate(self.down):
            x = block(x if not number else functional.max_pool2d(x, 2))
            kept.append(x)
        for up, join, before in zip(self.up, self.join, kept[-2::-1], strict=True):
            x = join(torch.cat([up(x), before], 1))
        logits: Tensor = self.head(x)
        return logits


class Vocoder(nn.Module):
    """From a mel spectrogram to a wave: transposed convolutions that overlap, and one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(80, 128, 7, padding=3)
        self.ups = nn.ModuleList(
            [
                nn.ConvTranspose1d(128, 64, 16, 8, 4),
                nn.ConvTranspose1d(64, 32, 8, 4, 2),
                nn.ConvTranspose1d(32, 16, 4, 4),
            ]
        )
        self.mix = nn.ModuleList([nn.Conv1d(64, 64, 1), nn.Conv1d(32, 32, 1), nn.Conv1d(16, 16, 1)])
        self.last = nn.Conv1d(16, 1, 7, padding=3)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.first(mel)
        for up, mix in zip(self.ups, self.mix, strict=True):
            x = up(functional.leaky_relu(x, 0.1))
            x = x + mix(functional.leaky_relu(x, 0.1))
        return torch.tanh(self.last(x))


class Autoencoder(nn.Module):
    """A masked autoencoder of volumes: patches in and out are convolutions of three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv3d(1, 128, (2, 8, 8), (2, 8, 8))
        self.block = nn.TransformerEncoderLayer(128, 4, 256, batch_first=True)
        self.out = nn.ConvTranspose3d(128, 1, (2, 8, 8), (2, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        tokens = self.block(x.flatten(2).transpose(1, 2))
        volume: Tensor = self.out(tokens.transpose(1, 2).reshape(x.shape))
        return volume


PATCHES = ("patchify-linear", "pointwise-linear", "conv1x1-unpatchify", "linear-unpatchify")
CHAINS = ("fold-batchnorm", "merge-convs")
WINDOWS = ("patchify-linear", "unfold-matmul")

MODELS: Mapping[str, Entry] = {
    "Qwen2-VL vision": Entry(qwen2_vl_vision, ("64,1176",), PATCHES, "the Conv3d patch embedding"),
    "GLM-4V vision": Entry(glm4v_vision, ("64,1176",), PATCHES, "the Conv3d patch embedding, the downsampling Conv2d"),
    "SigLIP": Entry(siglip, ("1,3,224,224",), PATCHES, "the patch embedding"),
    "DINOv2": Entry(dinov2, ("1,3,224,224",), PATCHES, "the patch embedding"),
    "ViT": Entry(vit, ("1,3,224,224",), PATCHES, "the patch embedding"),
    "CLIP vision": Entry(clip_vision, ("1,3,224,224",), PATCHES, "the patch embedding"),
    "SAM vision": Entry(sam_vision, ("1,3,256,256",), PATCHES, "the patch embedding, the 1x1 of the neck"),
    "Whisper encoder": Entry(whisper_encoder, ("1,80,3000",), WINDOWS, "the two Conv1d, by windows"),
    "wav2vec 2.0": Entry(wav2vec2, ("1,16000",), WINDOWS, "the stack of Conv1d, by windows; the positional one"),
    "ConvNeXt": Entry(convnext, ("1,3,224,224",), PATCHES, "the stem and three downsamplers"),
    "Swin": Entry(swin, ("1,3,224,224",), PATCHES, "the patch embedding"),
    "SegFormer": Entry(segformer, ("1,3,224,224",), PATCHES, "three reductions of keys and values, the fuse of 1x1"),
    "DPT": Entry(dpt, ("1,3,224,224",), PATCHES, "the patch embedding, two transposed convolutions, 1x1s"),
    "BERT": Entry(bert, ("int 1,32",), ("linear-as-conv1x1",), "nothing: it has no convolution"),
    "ResNet": Entry(resnet, ("1,3,224,224",), CHAINS, "BatchNorm into convolutions"),
    "RegNet": Entry(regnet, ("1,3,224,224",), CHAINS, "BatchNorm into convolutions"),
    "MobileNetV2": Entry(mobilenet_v2, ("1,3,224,224",), CHAINS, "BatchNorm into convolutions"),
    "MobileViT": Entry(mobilevit, ("1,3,256,256",), CHAINS, "BatchNorm into convolutions"),
    "EfficientNet": Entry(efficientnet, ("1,3,224,224",), CHAINS, "BatchNorm into convolutions"),
    "LeViT": Entry(levit, ("1,3,224,224",), CHAINS, "BatchNorm into convolutions and linears"),
    "U-Net": Entry(
        UNet, ("1,3,96,96",), (*PATCHES, *CHAINS), "the transposed convolutions, BatchNorm into convolutions"
    ),
    "Vocoder": Entry(Vocoder, ("1,80,40",), PATCHES, "the transposed convolution that tiles, 1x1s"),
    "Volumes": Entry(Autoencoder, ("1,1,8,64,64",), PATCHES, "the patch embedding and its inverse"),
}
