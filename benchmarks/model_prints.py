"""Models whose prints `benchmarks/printed_models.py` reads: of torchvision, timm, transformers and diffusers.

None of these is a dependency of convcheck. Of torchvision it is every model that takes images or videos alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.model_classes import MODELS


class Model(NamedTuple):
    """A model to be made, and what it is called with; inputs without a name are counted, `0`, `1`."""

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], Mapping[str, Any]]


VIDEO = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "swin3d_t", "swin3d_s", "swin3d_b", "mvit_v1_b", "mvit_v2_s")

TIMM = """
    resnet26d resnetv2_50 seresnet18 ecaresnet26t skresnet18 res2net50_14w_8s dla34 densenet121 efficientnet_b0
    tf_efficientnet_b0 tf_efficientnetv2_b0 mobilenetv3_small_050 mobilenetv4_conv_small convnext_atto convnextv2_atto
    vit_tiny_patch16_224 deit_tiny_patch16_224 beit_base_patch16_224 cait_xxs24_224 swin_tiny_patch4_window7_224
    coat_tiny levit_128s mixer_s16_224 resmlp_12_224 poolformer_s12 maxvit_tiny_tf_224 edgenext_xx_small fastvit_t8
    repvgg_a0 regnety_002 rexnet_100 ghostnet_050 hrnet_w18_small dpn48b nf_regnet_b0 xception41 vgg11_bn inception_v4
    pvt_v2_b0 eva02_tiny_patch14_224 davit_tiny focalnet_tiny_srf caformer_s18 mobileone_s0
""".split()  # noqa: SIM905  # a list of 44 words


def image(name: str = "") -> Mapping[str, Any]:
    """Return an image, or a video, of the size that a model is made for."""
    side = 299 if "inception" in name else 224
    video = (1, 3, 16, 224, 224) if name.startswith(("s3d", "mvit")) else (1, 3, 16, 112, 112)
    return {"0": torch.zeros(*video) if name in VIDEO else torch.zeros(2, 3, side, side)}


OPERATORS = ("nms(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor", "qnms(Tensor boxes) -> Tensor")
DECLARED: list[Any] = []
"""A library of torch's forgets its operators where nobody holds it."""


@cache
def torchvision_module() -> Any:
    """Return torchvision's models. One built for another torch has no compiled operators, which no model here needs."""
    try:
        return import_module("torchvision.models")
    except RuntimeError:
        DECLARED.append(torch.library.Library("torchvision", "FRAGMENT"))  # type: ignore[no-untyped-call]  # of torch's
        for operator in OPERATORS:
            DECLARED[0].define(operator)
        return import_module("torchvision.models")


def torchvision_models() -> Iterator[Model]:
    """Yield torchvision's."""
    models = torchvision_module()
    segments = ("fcn", "deeplab", "lraspp")
    plain = {*models.list_models(module=models), *VIDEO}
    for name in sorted(plain | {name for name in models.list_models() if name.startswith(segments)}):
        extra: dict[str, Any] = {"weights_backbone": None} if name.startswith(segments) else {}
        extra |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        yield Model(name, partial(models.get_model, name, weights=None, **extra), partial(image, name))


def timm_models() -> Iterator[Model]:
    """Yield those of timm, one of every family."""
    # It imports torchvision.
    torchvision_module()
    timm = import_module("timm")
    there = set(timm.list_models())
    for name in TIMM:
        if name in there:
            yield Model(name, partial(timm.create_model, name), partial(image, name))


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
GROUPED = {**SMALL, "num_key_value_heads": 2}
CODERS = {
    **{f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in (("layers", 2), ("ffn_dim", 48))},
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    "d_model": 32,
}
LANGUAGE: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("Bert", "Roberta", "GPTNeoX", "Phi", "DebertaV2"), SMALL),
    **{kind: {**SMALL, "embedding_size": 16} for kind in ("Electra", "Albert")},
    **dict.fromkeys(("Llama", "Mistral", "Qwen2"), GROUPED),
    "Gemma": {**GROUPED, "head_dim": 8},
    "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "OPT": {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "Bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "Falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "Mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "Mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4},
}  # fmt: skip
TRANSLATION: Mapping[str, Mapping[str, Any]] = {
    "T5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4},
    "Bart": CODERS,
    "Marian": {**CODERS, "pad_token_id": 0},
}
STAGES = {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 1]}
VISION: Mapping[str, Mapping[str, Any]] = {
    "ResNet": STAGES,
    "RegNet": {**STAGES, "groups_width": 8},
    **{kind: {**SMALL, "image_size": 224} for kind in ("Beit", "Data2VecVision")},
    **{kind: {} for kind in ("MobileNetV1", "MobileNetV2", "EfficientNet", "PoolFormer", "Cvt", "Levit", "Swinv2")},
    "ConvNextV2": {},
}


def of_transformers(kind: str, settings: Mapping[str, Any]) -> nn.Module:
    """Return a model of transformers of its config's settings."""
    transformers = import_module("transformers")
    config = getattr(transformers, f"{kind}Config")(**settings)
    config._attn_implementation = "eager"
    model: nn.Module = getattr(transformers, f"{kind}Model")(config)
    return model


def words(*, twice: bool = False) -> Mapping[str, Any]:
    """Return a sentence, or one and its translation."""
    tokens = torch.ones(2, 7, dtype=torch.long)
    return {"input_ids": tokens} | ({"decoder_input_ids": tokens[:, :5]} if twice else {})


def scanned(texts: tuple[str, ...]) -> Mapping[str, Any]:
    """Return inputs of which there is `int 1,32`, or `1,3,224,224`."""

    def tensor(text: str) -> torch.Tensor:
        shape = map(int, text.removeprefix("int ").split(","))
        return torch.zeros(*shape, dtype=torch.long if text.startswith("int ") else torch.float32)

    return {str(number): tensor(text) for number, text in enumerate(texts)}


def transformers_models() -> Iterator[Model]:
    """Yield those of transformers by their configs, and those that `benchmarks/models.py` scans."""
    with suppress(ImportError):
        # It imports torchvision where that is there.
        torchvision_module()
    import_module("transformers")
    for name, entry in MODELS.items():
        yield Model(name, entry.make, partial(scanned, entry.inputs))
    for kind, settings in LANGUAGE.items():
        yield Model(kind, partial(of_transformers, kind, {"vocab_size": 99, **settings}), words)
    for kind, settings in TRANSLATION.items():
        yield Model(kind, partial(of_transformers, kind, {"vocab_size": 99, **settings}), partial(words, twice=True))
    for kind, settings in VISION.items():
        yield Model(kind, partial(of_transformers, kind, settings), image)


PLAIN = {"block_out_channels": (16, 32), "norm_num_groups": 8}
CODER = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2, **PLAIN}
CROSS = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "cross_attention_dim": 24,
    "attention_head_dim": 8,
}
HEADS = {"num_attention_heads": 4, "attention_head_dim": 8, "num_layers": 2, "sample_size": 32}
ROOM, NOISE, TEXT = {"sample": (1, 3, 32, 32)}, {"sample": (1, 4, 32, 32), "timestep": ()}, (1, 7, 24)
TOKENS = {"hidden_states": (1, 4, 32, 32), "timestep": (1,)}
DIFFUSERS: Mapping[str, tuple[Mapping[str, tuple[int, ...]], Mapping[str, Any]]] = {
    "UNet2DModel": (
        {**NOISE, **ROOM},
        {
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
            "attention_head_dim": 8,
            **PLAIN,
        },
    ),
    "UNet2DConditionModel": (
        {**NOISE, "encoder_hidden_states": TEXT},
        {**CROSS, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), **PLAIN},
    ),
    "AutoencoderKL": (ROOM, CODER),
    "VQModel": (ROOM, CODER),
    "ControlNetModel": (
        {**NOISE, "encoder_hidden_states": TEXT, "controlnet_cond": (1, 3, 256, 256)},
        {**CROSS, **PLAIN},
    ),
    "DiTTransformer2DModel": ({**TOKENS, "class_labels": (1,)}, HEADS),
    "PixArtTransformer2DModel": (
        {**TOKENS, "encoder_hidden_states": TEXT},
        {**HEADS, "cross_attention_dim": 32, "caption_channels": 24},
    ),
}


def noise(shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Any]:
    """Return inputs of these shapes, of which times and labels are whole numbers."""
    whole = ("timestep", "class_labels")
    return {name: torch.ones(s, dtype=torch.long if name in whole else torch.float32) for name, s in shapes.items()}


def diffusers_models() -> Iterator[Model]:
    """Yield those of diffusers, of small widths."""
    with suppress(ImportError):
        torchvision_module()
    diffusers = import_module("diffusers")
    for name, (shapes, settings) in DIFFUSERS.items():
        yield Model(name, partial(getattr(diffusers, name), **settings), partial(noise, shapes))


LIBRARIES: Mapping[str, Callable[[], Iterator[Model]]] = {
    "torchvision": torchvision_models,
    "timm": timm_models,
    "transformers": transformers_models,
    "diffusers": diffusers_models,
}
