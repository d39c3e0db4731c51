"""Layers as keras calls them, and what they are in torch."""

from __future__ import annotations

from collections.abc import Mapping

PREFIXES = ("tf.keras.layers", "tensorflow.keras.layers", "keras.layers", "layers", "tf.keras", "keras")

_CONV = "(in_channels, out_channels, kernel_size)"
_POOL = "(kernel_size)"

IN_TORCH: Mapping[str, str] = {
    "Dense": "Linear(in_features, out_features)",
    **{f"Conv{n}D": f"Conv{n}d{_CONV}" for n in (1, 2, 3)},
    **{f"Convolution{n}D": f"Conv{n}d{_CONV}" for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": f"ConvTranspose{n}d{_CONV}" for n in (1, 2, 3)},
    "DepthwiseConv2D": "Conv2d(channels, channels, kernel_size, groups=channels)",
    "SeparableConv2D": "Sequential(Conv2d(i, i, kernel_size, groups=i, bias=False), Conv2d(i, o, 1))",
    **{f"MaxPooling{n}D": f"MaxPool{n}d{_POOL}" for n in (1, 2, 3)},
    **{f"MaxPool{n}D": f"MaxPool{n}d{_POOL}" for n in (1, 2, 3)},
    **{f"AveragePooling{n}D": f"AvgPool{n}d{_POOL}" for n in (1, 2, 3)},
    **{f"AvgPool{n}D": f"AvgPool{n}d{_POOL}" for n in (1, 2, 3)},
    **{f"GlobalAveragePooling{n}D": f"AdaptiveAvgPool{n}d(1) and Flatten()" for n in (1, 2, 3)},
    **{f"GlobalMaxPooling{n}D": f"AdaptiveMaxPool{n}d(1) and Flatten()" for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": f"ZeroPad{n}d(padding)" for n in (1, 2, 3)},
    **{f"UpSampling{n}D": "Upsample(scale_factor=...)" for n in (1, 2, 3)},
    **{f"SpatialDropout{n}D": f"Dropout{n}d(p)" for n in (1, 2, 3)},
    "BatchNormalization": "BatchNorm2d(num_features), or BatchNorm1d or BatchNorm3d by the axes of its input",
    "LayerNormalization": "LayerNorm(normalized_shape)",
    "GroupNormalization": "GroupNorm(num_groups, num_channels)",
    "Activation": "a layer of its own, such as ReLU() or Softmax(-1)",
    "MultiHeadAttention": "MultiheadAttention(embed_dim, num_heads, batch_first=True)",
    "Reshape": "Unflatten(dim, sizes)",
    "Permute": "rearrange('...')",
}


def of_keras(kind: str) -> str:
    """Say which layer of torch one of keras is; empty where keras has none of this name, or torch has it, too."""
    first = ", channels first" if kind.endswith(("D", "DTranspose")) else ""
    return f"{kind} is keras's; in torch it is {IN_TORCH[kind]}{first}" if kind in IN_TORCH else ""
