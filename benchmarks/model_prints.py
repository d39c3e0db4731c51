"""Models whose prints `benchmarks/printed_models.py` reads: of torchvision, timm, transformers and diffusers.

None of these is a dependency of convcheck. Models are made on torch's meta device, so that their weights cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import nn


class Model(NamedTuple):
    """A model to be made, and what it is called with."""

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], Mapping[str, Any]]
    """By name; those without one are counted, `0`, `1`."""


IMAGE = (2, 3, 224, 224)

TORCHVISION = (
    *("alexnet", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121", "googlenet"),
    *("inception_v3", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_s"),
    *("convnext_tiny", "swin_t", "swin_v2_t", "vit_b_16", "maxvit_t", "regnet_y_400mf", "regnet_x_400mf"),
    *("shufflenet_v2_x0_5", "squeezenet1_0", "fcn_resnet50", "deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large"),
    *("lraspp_mobilenet_v3_large", "r3d_18", "mc3_18", "r2plus1d_18", "s3d", "swin3d_t"),
)
TIMM = (
    *(
        "resnet26d",
        "resnetv2_50",
        "seresnet18",
        "ecaresnet26t",
        "skresnet18",
        "res2net50_14w_8s",
        "dla34",
        "densenet121",
    ),
    *(
        "efficientnet_b0",
        "tf_efficientnet_b0",
        "tf_efficientnetv2_b0",
        "mobilenetv3_small_050",
        "mobilenetv4_conv_small",
    ),
    *("convnext_atto", "convnextv2_atto", "vit_tiny_patch16_224", "deit_tiny_patch16_224", "beit_base_patch16_224"),
    *("cait_xxs24_224", "swin_tiny_patch4_window7_224", "coat_tiny", "levit_128s", "mixer_s16_224", "resmlp_12_224"),
    *(
        "poolformer_s12",
        "maxvit_tiny_tf_224",
        "edgenext_xx_small",
        "fastvit_t8",
        "repvgg_a0",
        "regnety_002",
        "rexnet_100",
    ),
    *(
        "ghostnet_050",
        "hrnet_w18_small",
        "dpn48b",
        "nf_regnet_b0",
        "xception41",
        "vgg11_bn",
        "inception_v4",
        "pvt_v2_b0",
    ),
    *("eva02_tiny_patch14_224", "davit_tiny", "focalnet_tiny_srf", "metaformer", "caformer_s18", "mobileone_s0"),
)


def _image(name: str) -> Mapping[str, Any]:
    side = 299 if "inception" in name else 224
    video = name in ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "swin3d_t")
    return {"0": torch.zeros(1, 3, 16, 112, 112) if video else torch.zeros(2, 3, side, side)}


def torchvision_models() -> Iterator[Model]:
    """Yield torchvision's, by name."""
    models = import_module("torchvision.models")

    def make(name: str) -> Callable[[], nn.Module]:
        extra = {"weights_backbone": None} if name.startswith(("fcn", "deeplab", "lraspp")) else {}
        extra |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        return lambda: models.get_model(name, weights=None, **extra)

    for name in TORCHVISION:
        yield Model(name, make(name), lambda name=name: _image(name))


def timm_models() -> Iterator[Model]:
    """Yield those of timm, by name; names that this timm has not are left out."""
    timm = import_module("timm")
    there = set(timm.list_models())
    for name in TIMM:
        if name in there:
            yield Model(name, lambda name=name: timm.create_model(name), lambda name=name: _image(name))


_TOKENS = {"vocab_size": 99}
_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_LANGUAGE: Mapping[str, Mapping[str, Any]] = {
    "Bert": _SMALL, "Roberta": _SMALL, "Electra": {**_SMALL, "embedding_size": 16}, "Albert": {**_SMALL, "embedding_size": 16},
    "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}, "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "GPTNeoX": _SMALL, "OPT": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "Llama": {**_SMALL, "num_key_value_heads": 2}, "Mistral": {**_SMALL, "num_key_value_heads": 2},
    "Qwen2": {**_SMALL, "num_key_value_heads": 2}, "Gemma": {**_SMALL, "num_key_value_heads": 2, "head_dim": 8},
    "Phi": _SMALL, "Bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4}, "Falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "Mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}, "DebertaV2": _SMALL, "Mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4},
}  # fmt: skip
_SEQ2SEQ: Mapping[str, Mapping[str, Any]] = {
    "T5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4},
    "Bart": {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48},
    "Marian": {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "pad_token_id": 0},
}  # fmt: skip
_VISION: Mapping[str, Mapping[str, Any]] = {
    "ResNet": {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 1]},
    "RegNet": {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 1], "groups_width": 8},
    "MobileNetV1": {}, "MobileNetV2": {}, "EfficientNet": {}, "PoolFormer": {}, "Cvt": {}, "Levit": {}, "ConvNextV2": {},
    "Swinv2": {}, "Beit": {**_SMALL, "image_size": 224}, "Data2VecVision": {**_SMALL, "image_size": 224}, "BitConfig": {},
}  # fmt: skip


def _of_transformers(kind: str, settings: Mapping[str, Any]) -> nn.Module:
    transformers = import_module("transformers")
    config = getattr(transformers, f"{kind}Config")(**settings)
    config._attn_implementation = "eager"
    model: nn.Module = getattr(transformers, f"{kind}Model")(config)
    return model


def _tokens(*, twice: bool = False) -> Mapping[str, Any]:
    tokens = torch.ones(2, 7, dtype=torch.long)
    return {"input_ids": tokens} | ({"decoder_input_ids": tokens[:, :5]} if twice else {})


def transformers_models() -> Iterator[Model]:
    """Yield those of transformers by their configs, and those that other benchmarks scan."""
    from benchmarks.model_classes import MODELS

    import_module("transformers")
    for name, entry in MODELS.items():
        shapes = [text.removeprefix("int ") for text in entry.inputs]
        kinds = [torch.long if text.startswith("int ") else torch.float32 for text in entry.inputs]
        tensors = {
            str(n): (tuple(map(int, text.split(","))), kind)
            for n, (text, kind) in enumerate(zip(shapes, kinds, strict=True))
        }
        yield Model(
            name, entry.make, lambda tensors=tensors: {n: torch.zeros(s, dtype=k) for n, (s, k) in tensors.items()}
        )
    for kind, settings in _LANGUAGE.items():
        yield Model(kind, lambda kind=kind, settings=settings: _of_transformers(kind, {**_TOKENS, **settings}), _tokens)
    for kind, settings in _SEQ2SEQ.items():
        made = lambda kind=kind, settings=settings: _of_transformers(kind, {**_TOKENS, **settings})  # noqa: E731
        yield Model(kind, made, lambda: _tokens(twice=True))
    for kind, settings in _VISION.items():
        yield Model(kind, lambda kind=kind, settings=settings: _of_transformers(kind, settings), lambda: _image(""))


def diffusers_models() -> Iterator[Model]:
    """Yield those of diffusers, of small widths."""
    diffusers = import_module("diffusers")
    widths, groups = (16, 32), 8
    down, up = ("DownBlock2D", "AttnDownBlock2D"), ("AttnUpBlock2D", "UpBlock2D")
    cross = ("CrossAttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")
    noisy = {"sample": (1, 4, 32, 32), "timestep": ()}

    def model(name: str, inputs: Mapping[str, tuple[int, ...]], **settings: Any) -> Model:
        def tensors() -> Mapping[str, Any]:
            whole = {"timestep", "class_labels"}
            return {n: torch.ones(s, dtype=torch.long if n in whole else torch.float32) for n, s in inputs.items()}

        return Model(name, lambda: getattr(diffusers, name)(**settings), tensors)

    plain = {"block_out_channels": widths, "norm_num_groups": groups}
    yield model(
        "UNet2DModel",
        {**noisy, "sample": (1, 3, 32, 32)},
        down_block_types=down,
        up_block_types=up,
        attention_head_dim=8,
        **plain,
    )
    yield model(
        "UNet2DConditionModel", {**noisy, "encoder_hidden_states": (1, 7, 24)}, down_block_types=cross[0],
        up_block_types=cross[1], cross_attention_dim=24, attention_head_dim=8, **plain,
    )  # fmt: skip
    coder = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    yield model("AutoencoderKL", {"sample": (1, 3, 32, 32)}, **coder, **plain)
    yield model("VQModel", {"sample": (1, 3, 32, 32)}, **coder, **plain)
    yield model(
        "ControlNetModel", {**noisy, "encoder_hidden_states": (1, 7, 24), "controlnet_cond": (1, 3, 256, 256)},
        down_block_types=cross[0], cross_attention_dim=24, attention_head_dim=8, **plain,
    )  # fmt: skip
    yield model(
        "DiTTransformer2DModel", {"hidden_states": (1, 4, 32, 32), "timestep": (1,), "class_labels": (1,)},
        num_attention_heads=4, attention_head_dim=8, num_layers=2, sample_size=32,
    )  # fmt: skip
    yield model(
        "PixArtTransformer2DModel", {"hidden_states": (1, 4, 32, 32), "timestep": (1,), "encoder_hidden_states": (1, 7, 24)},
        num_attention_heads=4, attention_head_dim=8, num_layers=2, sample_size=32, cross_attention_dim=32, caption_channels=24,
    )  # fmt: skip


LIBRARIES: Mapping[str, Callable[[], Iterator[Model]]] = {
    "torchvision": torchvision_models,
    "timm": timm_models,
    "transformers": transformers_models,
    "diffusers": diffusers_models,
}
