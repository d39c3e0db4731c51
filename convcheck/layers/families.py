"""Where every kind of layer stands; only the file of the kind that is named is imported, for start-up's sake."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcheck.layers.base import Layer

ELEMENTWISE: Mapping[str, Mapping[str, bool | float]] = {
    "Identity": {},
    "Sigmoid": {},
    "Tanh": {},
    "Softsign": {},
    "LogSigmoid": {},
    "ReLU": {"inplace": False},
    "ReLU6": {"inplace": False},
    "SELU": {"inplace": False},
    "SiLU": {"inplace": False},
    "Mish": {"inplace": False},
    "Hardswish": {"inplace": False},
    "Hardsigmoid": {"inplace": False},
    "LeakyReLU": {"negative_slope": 0.01, "inplace": False},
    "Softplus": {"beta": 1.0, "threshold": 20.0},
}
"""Functions of every entry by itself, with torch's arguments, which are any number or flag, and their defaults."""

_FAMILIES = (
    ("conv", "Conv", ("Conv1d", "Conv2d", "Conv3d")),
    ("conv_transpose", "ConvTranspose", ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")),
    ("linear", "Linear", ("Linear",)),
    ("pixel_shuffle", "PixelShuffle", ("PixelShuffle",)),
    ("pixel_shuffle", "PixelUnshuffle", ("PixelUnshuffle",)),
    ("unfold", "Unfold", ("Unfold",)),
    ("unfold", "Fold", ("Fold",)),
    ("batchnorm", "BatchNorm", ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")),
    ("pool", "MaxPool", ("MaxPool1d", "MaxPool2d", "MaxPool3d")),
    ("pool", "AvgPool1d", ("AvgPool1d",)),
    ("pool", "AvgPool", ("AvgPool2d", "AvgPool3d")),
    ("flatten", "Flatten", ("Flatten",)),
    ("flatten", "Unflatten", ("Unflatten",)),
    ("rearrange", "Rearrange", ("rearrange",)),
    *(("elementwise", kind, (kind,)) for kind in ELEMENTWISE),
    ("elementwise", "ELU", ("ELU", "CELU")),
    ("elementwise", "Hardtanh", ("Hardtanh",)),
    ("elementwise", "GELU", ("GELU",)),
    (
        "elementwise",
        "Dropout",
        ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"),
    ),
    ("elementwise", "Softmax", ("Softmax", "LogSoftmax")),
    ("matmul", "MatMul", ("matmul", "bmm", "mm")),
    ("attention", "DotProductAttention", ("scaled_dot_product_attention",)),
    ("multihead", "MultiheadAttention", ("MultiheadAttention",)),
    ("patches", "Patchify", ("Patchify",)),
    ("patches", "Unpatchify", ("Unpatchify",)),
    ("sequential", "Sequential", ("Sequential",)),
)
"""The file, the class and its kinds."""

_ACTIVATIONS = (
    *("GELUActivation", "NewGELUActivation", "FastGELUActivation", "QuickGELUActivation", "ClippedGELUActivation"),
    *("GELUTanh", "QuickGELU", "PytorchGELUTanh", "AccurateGELUActivation", "SiLUActivation", "MishActivation"),
    *("LinearActivation", "LaplaceActivation", "ReLUSquaredActivation", "XIELUActivation"),
    *("BloomGelu", "Swish", "HardSwish", "HardSigmoid", "HardMish", "FP32SiLU"),
)
"""Functions of every entry by itself in timm, transformers and diffusers, whose print says nothing, or a setting."""

_DROPS = ("StochasticDepth", "DropPath", "DropBlock2d", "DropBlock3d")
"""What timm and torchvision drop in training alone."""

_COUNTED = (
    ("adaptive", "AdaptivePool", ("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d")),
    ("adaptive", "AdaptiveMaxPool", ("AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d")),
    ("norms", "LayerNorm", ("LayerNorm",)),
    ("norms", "GroupNorm", ("GroupNorm",)),
    ("channel_norms", "InstanceNorm", ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d")),
    ("norms", "RMSNorm", ("RMSNorm",)),
    ("channel_norms", "SyncBatchNorm", ("SyncBatchNorm",)),
    ("embedding", "Embedding", ("Embedding",)),
    ("embedding", "EmbeddingBag", ("EmbeddingBag",)),
    ("upsample", "Upsample", ("Upsample",)),
    ("upsample", "UpsamplingNearest2d", ("UpsamplingNearest2d",)),
    ("upsample", "UpsamplingBilinear2d", ("UpsamplingBilinear2d",)),
    (
        "pads",
        "Pad",
        tuple(f"{fill}Pad{dims}d" for fill in ("Zero", "Reflection", "Replication", "Circular") for dims in (1, 2, 3)),
    ),
    ("pads", "ConstantPad", ("ConstantPad1d", "ConstantPad2d", "ConstantPad3d")),
    ("channels", "PReLU", ("PReLU",)),
    ("channels", "GLU", ("GLU",)),
    ("channels", "ChannelShuffle", ("ChannelShuffle",)),
    ("keeping", "Threshold", ("Threshold",)),
    ("keeping", "Shrink", ("Hardshrink", "Softshrink")),
    ("keeping", "Tanhshrink", ("Tanhshrink",)),
    ("keeping", "RReLU", ("RReLU",)),
    ("keeping", "Softmin", ("Softmin",)),
    ("keeping", "Softmax2d", ("Softmax2d",)),
    ("keeping", "LocalResponseNorm", ("LocalResponseNorm", "CrossMapLRN2d")),
    ("lp_pool", "LPPool", ("LPPool1d", "LPPool2d", "LPPool3d")),
    ("recurrent", "Recurrent", ("GRU",)),
    ("recurrent", "LSTM", ("LSTM",)),
    ("recurrent", "RNN", ("RNN",)),
    ("recurrent", "Cell", ("GRUCell",)),
    ("recurrent", "LSTMCell", ("LSTMCell",)),
    ("recurrent", "RNNCell", ("RNNCell",)),
    ("bilinear", "Bilinear", ("Bilinear",)),
    ("transformer", "TransformerEncoderLayer", ("TransformerEncoderLayer",)),
    ("transformer", "TransformerDecoderLayer", ("TransformerDecoderLayer",)),
    ("transformer", "TransformerEncoder", ("TransformerEncoder",)),
    ("transformer", "TransformerDecoder", ("TransformerDecoder",)),
)
"""The same for kinds that the calculator alone knows; see `convcheck.layers.counted`."""

_FOREIGN = (
    ("channel_norms", "FrozenBatchNorm", ("FrozenBatchNorm2d",)),
    ("conv_like", "ConvLike", ("StdConv2d", "ScaledStdConv2d")),
    ("conv_like", "ConvSame", ("Conv2dSame", "StdConv2dSame", "ScaledStdConv2dSame")),
    ("conv_like", "AvgPoolSame", ("AvgPool2dSame",)),
    ("channels", "Permute", ("Permute",)),
    ("channels", "ImageTokens", ("CvtSelfAttentionLinearProjection",)),
    ("select_pool", "SelectPool", ("SelectAdaptivePool2d",)),
    ("keeping", "Foreign", (*_ACTIVATIONS, *_DROPS)),
    (
        "keeping",
        "Unprinted",
        ("WindowPartition", "WindowDepartition", "SwapAxes", "Timesteps", "LevitSubsample", "Wav2Vec2SamePadLayer"),
    ),
    (
        "keeping",
        "Unsized",
        ("T5LayerNorm", "LayerScale", "LayerScale2d", "Dinov2LayerScale", "Affine", "ConvNextV2GRN"),
    ),
    ("conv1d_linear", "Conv1D", ("Conv1D",)),
    ("embedding", "PositionalEmbedding", ("LearnedPositionalEmbedding",)),
    ("norms", "LayerNorm", ("LayerNorm2d",)),
    ("norms", "GroupNorm", ("GroupNorm1",)),
    ("upsample", "Upsample", ("Interpolate",)),
)
"""The same for layers of torchvision, timm, transformers and diffusers, which are read, and suggested to nobody."""

_ENDINGS = (
    ("RMSNorm", "RMSNorm"),
    ("RmsNorm", "RMSNorm"),
    ("LayerNorm", "LayerNorm"),
    ("LayerNormNoBias", "LayerNorm"),
    ("LayerNorm2dNoBias", "LayerNorm"),
    ("GroupNorm", "GroupNorm"),
    ("WordEmbedding", "Embedding"),
    ("PositionalEmbedding", "PositionalEmbedding"),
    ("FrozenBatchNorm2d", "FrozenBatchNorm"),
    ("DropPath", "Foreign"),
    ("RotaryEmbedding", "Unprinted"),
    ("RotaryEmbeddingCat", "Unprinted"),
)
"""Classes of the kinds that other libraries call after what they are for, such as `LlamaRMSNorm`, by their ending."""

HOMES = {
    "Elementwise": "elementwise",
    "Pool": "pool",
    **{family: file for file, family, _ in (*_FAMILIES, *_COUNTED, *_FOREIGN)},
}
"""The file of every class, below `convcheck.layers`; no kind is an Elementwise or a Pool and nothing more."""

_PROVED = {kind: family for _, family, kinds in _FAMILIES for kind in kinds}
_KNOWN = _PROVED | {kind: family for _, family, kinds in _COUNTED for kind in kinds}
_FAMILY = _KNOWN | {kind: family for _, family, kinds in _FOREIGN for kind in kinds}


def kind_names() -> tuple[str, ...]:
    """Return the name of every kind of layer that can be read, but for those of libraries beside torch."""
    return tuple(_KNOWN)


def proved_kinds() -> tuple[str, ...]:
    """Return the names of those of which something can be proved."""
    return tuple(_PROVED)


def family_of(kind: str) -> type[Layer] | None:
    """Return the class of a kind of layer; None if there is no such kind."""
    family = _FAMILY.get(kind) or next((family for ending, family in _ENDINGS if kind.endswith(ending)), None)
    return load(family) if family else None


def families() -> tuple[type[Layer], ...]:
    """Return the class of every kind."""
    return tuple(map(load, dict.fromkeys(_FAMILY.values())))


@cache
def load(family: str) -> type[Layer]:
    """Return a class by its name."""
    loaded: type[Layer] = getattr(import_module(f"convcheck.layers.kinds.{HOMES[family]}"), family)
    return loaded
